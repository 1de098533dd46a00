"""Which test pictures are labelled by what models say of them, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.table import TargetKind
from grandmaster.teaching_config import PseudoLabelConfig


@dataclass(frozen=True, kw_only=True)
class PseudoLabels:
    """Of m pictures.

    Attributes:
        rows: of the test table, int64 (m,), ascending.
        taught: what is learnt of them, float32 (m, outputs): labels (0 and 1) or probabilities.
        confidence: (m,).
        sure: how many pictures were sure enough, before classes were held to their caps.
    """

    rows: npt.NDArray[np.int64]
    taught: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    sure: int


def why_not(kind: TargetKind) -> str | None:
    """Why there are no pseudo-labels for this kind of target; None: there are."""
    if kind in ("multiclass", "multilabel"):
        return None
    return f"a model of {kind} targets gives a number and no confidence, so none of its answers can be called sure"


def choose(
    values: npt.NDArray[np.float32],
    targets: npt.NDArray[Any],
    readable: npt.NDArray[np.int64],
    kind: TargetKind,
    settings: PseudoLabelConfig,
) -> PseudoLabels:
    """The surest pictures, each class as often as among training pictures (times `cap`) at most.

    Args:
        values: probabilities of test pictures, (n, outputs), by models that all learnt from the same training pictures.
        targets: of those training pictures, as `Competition.targets`: the shares of the classes.
        readable: rows of the test table that may be chosen.
        kind: multiclass or multilabel.
    """
    if kind == "multiclass":
        labels = np.eye(values.shape[1], dtype=np.float32)[values.argmax(axis=1)]
        confidence = values.max(axis=1)
        known = np.eye(values.shape[1], dtype=np.float32)[targets]
    else:
        labels = (values >= 0.5).astype(np.float32)
        confidence = np.maximum(values, 1 - values).min(axis=1)
        known = np.asarray(targets, np.float32)
    sure = readable[confidence[readable] >= settings.confidence]
    # The surest first; of equals the first in the table, so that it never depends on the machine.
    order = sure[np.argsort(-confidence[sure], kind="stable")]
    # A picture without any label counts as one class more.
    shares = _with_none(known).mean(axis=0)
    room = np.ceil(settings.cap * shares * len(sure))
    chosen = []
    for row, own in zip(order, _with_none(labels[order]), strict=True):
        if (room[own > 0] >= 1).all():
            room -= own
            chosen.append(row)
    rows = np.sort(np.array(chosen, np.int64))
    taught = labels if settings.kind == "hard" else values.astype(np.float32)
    return PseudoLabels(rows=rows, taught=taught[rows], confidence=confidence[rows], sure=len(sure))


def _with_none(labels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    none = (labels.sum(axis=1, keepdims=True) == 0).astype(np.float32)
    return np.concatenate([labels, none], axis=1)
