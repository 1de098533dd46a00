"""What a model's last layer means for each kind of target: its activation, and the targets as the loss wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor

from grandmaster.competition.table import TargetKind


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The meaning of `outputs` logits.

    Attributes:
        kind: of the targets. Multiclass: softmax. Multilabel: a sigmoid each. Ordinal and regression: standardised
            values.
        outputs: number of logits.
        mean, std: of the training fold's targets, in their own unit, for standardised values; of `outputs` each.
        low, high: lowest and highest grade in training: ordinal predictions are kept between them.
        one_vs_all: multiclass trained as one sigmoid a class: chances are those, scaled to the sum 1.
    """

    kind: TargetKind
    outputs: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    one_vs_all: bool = False

    @property
    def estimates(self) -> bool:
        """Whether values are estimated, not classes."""
        return self.kind in ("ordinal", "regression")

    def encode(self, targets: Tensor) -> Tensor:
        """Targets as the loss wants them, and as MixUp may blend them.

        Args:
            targets: int64 (b,) classes (multiclass) or float32 (b, outputs) shares of them, else float32 (b, outputs).

        Returns:
            float32 (b, outputs): one-hot rows, 0 and 1, or standardised values.
        """
        if self.kind == "multiclass":
            return targets if targets.is_floating_point() else F.one_hot(targets, self.outputs).float()
        if self.kind == "multilabel":
            return targets.float()
        return (targets.float() - targets.new_tensor(self.mean)) / targets.new_tensor(self.std)

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (..., outputs) -> float32 probabilities, or values in the target's own unit."""
        logits = logits.float()
        if self.kind == "multiclass":
            return (F.logsigmoid(logits) if self.one_vs_all else logits).softmax(dim=-1)
        if self.kind == "multilabel":
            return logits.sigmoid()
        values = logits * logits.new_tensor(self.std) + logits.new_tensor(self.mean)
        return values if self.low is None else values.clamp(self.low, self.high)


def make_head(
    kind: TargetKind, outputs: Sequence[str], targets: npt.NDArray[Any], *, one_vs_all: bool = False
) -> Head:
    """The head for these targets.

    Args:
        targets: of the training fold, as `Competition.targets`; a constant column keeps its own unit.
        one_vs_all: whether the loss trains each class alone.
    """
    if kind in ("multiclass", "multilabel"):
        return Head(kind=kind, outputs=len(outputs), one_vs_all=one_vs_all and kind == "multiclass")
    wide = np.asarray(targets, np.float64)
    std = wide.std(axis=0)
    return Head(
        kind=kind,
        outputs=len(outputs),
        mean=tuple(float(value) for value in wide.mean(axis=0)),
        std=tuple(float(value) if value > 0 else 1.0 for value in std),
        low=float(wide.min()) if kind == "ordinal" else None,
        high=float(wide.max()) if kind == "ordinal" else None,
    )
