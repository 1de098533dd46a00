"""How far the layers of a model moved in training, as means over its folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grandmaster.models.weight_change import LayerChange, read_weight_change


@dataclass(frozen=True, kw_only=True)
class MovedLayer:
    """A line of the table; the last one is of all layers.

    Attributes:
        layer: what the names of its tensors begin with.
        parameters: number of them.
        rate: highest peak rate; None: not known.
        relative: L2 norm of the change, as a share of that of the weights before; None where they began at zero.
        largest: absolute change of the parameter that moved farthest, in any fold.
    """

    layer: str
    parameters: int
    rate: float | None
    relative: float | None
    largest: float


def moved_layers(fits: Iterable[Path]) -> tuple[MovedLayer, ...]:
    """Means over the fits of one model; empty where none tells.

    Args:
        fits: their folders.
    """
    told = [change for change in map(read_weight_change, fits) if change is not None]
    if not told:
        return ()
    # Folds of one model have the same layers; a fit of a folder that was exchanged has no say.
    names = [layer.layer for layer in told[0].layers]
    same = [change for change in told if [layer.layer for layer in change.layers] == names]
    lines = zip(*((*change.layers, change.total) for change in same), strict=True)
    return tuple(_mean(line) for line in lines)


def _mean(line: Sequence[LayerChange]) -> MovedLayer:
    relative = [layer.relative for layer in line if layer.relative is not None]
    return MovedLayer(
        layer=line[0].layer,
        parameters=line[0].parameters,
        rate=line[0].rate,
        relative=sum(relative) / len(relative) if relative else None,
        largest=max(layer.largest for layer in line),
    )
