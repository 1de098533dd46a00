"""How far training moved a network from where it began, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import torch

from grandmaster.errors import UserError
from grandmaster.storage import read_object

FILE_NAME = "weight_change.json"
TOTAL = "all layers"


class LayerChange(msgspec.Struct, frozen=True, kw_only=True):
    """Of the tensors of one layer or stage.

    Attributes:
        layer: what their names begin with.
        parameters: number of them.
        before: their L2 norm where training began.
        difference: L2 norm of end minus start.
        relative: `difference` / `before`; None where they began at zero.
        largest: absolute change of the parameter that moved farthest.
        statistics: as `relative`, of BatchNorm's means and variances; None where there are none.
        rate: highest peak rate of its parameters; None: not known.
    """

    layer: str
    parameters: int
    before: float
    difference: float
    relative: float | None
    largest: float
    statistics: float | None = None
    rate: float | None = None


class WeightChange(msgspec.Struct, frozen=True, kw_only=True):
    """Of one fit, from its first step to the weights that it predicts with.

    Attributes:
        layers: in the order of the network.
        total: all of them together.
    """

    layers: tuple[LayerChange, ...]
    total: LayerChange


def weight_change(
    start: Mapping[str, torch.Tensor],
    end: Mapping[str, torch.Tensor],
    parameters: Iterable[str],
    rates: Mapping[str, float] | None = None,
) -> WeightChange:
    """Compare two state dictionaries of one network, of any task.

    Args:
        start, end: the same names with tensors of the same shapes.
        parameters: names of those that are learnt; other floating-point tensors are statistics.
        rates: peak rate by name; None: not known.

    Raises:
        ValueError: other names or shapes.
    """
    if start.keys() != end.keys():
        raise ValueError(f"two networks: {sorted(start.keys() ^ end.keys())[:3]} are of one only")
    learnt, peaks = set(parameters), rates or {}
    sums: dict[str, _Sums] = {}
    total = _Sums()
    for name, before in start.items():
        after = end[name]
        if before.shape != after.shape:
            raise ValueError(f"{name} has shape {tuple(before.shape)}, then {tuple(after.shape)}")
        if before.is_floating_point():
            for part in (sums.setdefault(layer_of(name), _Sums()), total):
                part.add(before, after, learnt=name in learnt, rate=peaks.get(name))
    return WeightChange(
        layers=tuple(part.change(layer) for layer, part in sums.items()), total=total.change(TOTAL)
    )


def layer_of(name: str) -> str:
    """The layer or stage that a tensor belongs to: its name up to the first number.

    `layers.2.blocks.7.attn.qkv.weight` -> `layers.2`, `layer1.0.conv1.weight` -> `layer1`, `head.fc.weight` -> `head`.
    """
    parts = name.split(".")[:-1] or [name]
    if parts[0][-1:].isdigit():
        return parts[0]
    place = next((number for number, part in enumerate(parts) if part.isdigit()), 0)
    return ".".join(parts[: place + 1])


def read_weight_change(folder: Path) -> WeightChange | None:
    """What is kept in a fit's folder; None: an earlier version kept nothing, or the file is damaged."""
    try:
        return msgspec.convert(read_object(folder / FILE_NAME), WeightChange)
    except (UserError, msgspec.ValidationError):
        return None  # it is told to people, and nothing depends on it


class _Sums:
    """Squares and extremes of one layer, tensor by tensor: a second network need not be kept on the GPU."""

    def __init__(self) -> None:
        self.parameters, self.largest = 0, 0.0
        self.learnt, self.statistics = [0.0, 0.0], [0.0, 0.0]  # squares of start, and of the difference
        self.rate: float | None = None

    def add(self, before: torch.Tensor, after: torch.Tensor, *, learnt: bool, rate: float | None) -> None:
        """One tensor."""
        first = before.detach().double().cpu()
        moved = after.detach().double().cpu() - first
        sums = self.learnt if learnt else self.statistics
        sums[0] += float(first.square().sum())
        sums[1] += float(moved.square().sum())
        if learnt and moved.numel():
            self.parameters += moved.numel()
            self.largest = max(self.largest, float(moved.abs().max()))
        if rate is not None:
            self.rate = max(rate, self.rate or 0.0)

    def change(self, layer: str) -> LayerChange:
        """The layer's line."""
        return LayerChange(
            layer=layer,
            parameters=self.parameters,
            before=_root(self.learnt[0]),
            difference=_root(self.learnt[1]),
            relative=_ratio(self.learnt),
            largest=self.largest,
            statistics=_ratio(self.statistics),
            rate=self.rate,
        )


def _root(square: float) -> float:
    return float(f"{square**0.5:.6g}")


def _ratio(sums: list[float]) -> float | None:
    return _root(sums[1] / sums[0]) if sums[0] > 0 else None
