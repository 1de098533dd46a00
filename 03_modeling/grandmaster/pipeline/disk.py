"""What a run writes, counted before it begins, and how much of its weights can stay on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grandmaster.pipeline.machine import GB, free_gb_of, nearest_folder
from grandmaster.pipeline.parts import PARTS
from grandmaster.prediction.views import are_kept
from grandmaster.texts import counted

Kept = Literal["full", "half", "predictions"]
TIERS: tuple[Kept, ...] = ("full", "half", "predictions")
# Bytes a parameter of the best weights. Half: the vectors that stay float32 are less than a hundredth (measured for the
# seven large backbones: benchmarks/disk.py). Without weights there are still those of the fit in training.
WEIGHT_BYTES: dict[Kept, float] = {"full": 4.0, "half": 2.02, "predictions": 4.0}
# Of a state to go on from: weights and two moments of AdamW; and where there is one, the average of weights.
STATE_BYTES, AVERAGE_BYTES = 12, 4
VALUE_BYTES, CHARACTER_BYTES = 4, 4  # float32; ids are kept as UTF-32
# For all else that a run writes (tables, report, logs), and for what a file is larger than what is in it.
MARGIN_BYTES, MARGIN_SHARE = 64 * 2**20, 0.02

_IN_WORDS: dict[Kept, str] = {
    "full": "all weights in float32",
    "half": "all weights, in half precision",
    "predictions": "predictions only, weights go when all is predicted",
}


@dataclass(frozen=True, kw_only=True)
class FitSize:
    """What decides on the bytes of one fit.

    Attributes:
        backbone: for messages.
        averaged: there is an average of weights.
        predictions: bytes of its predictions.
        extra: bytes that are made of it besides, such as an export.
    """

    backbone: str
    parameters: int
    averaged: bool
    predictions: int
    extra: int = 0

    @property
    def state(self) -> int:
        """Bytes of a whole state to go on from."""
        return self.parameters * (STATE_BYTES + (AVERAGE_BYTES if self.averaged else 0))

    def weights(self, tier: Kept) -> int:
        """Bytes of its best weights."""
        return round(self.parameters * WEIGHT_BYTES[tier])

    @property
    def leaders(self) -> int:
        """Bytes of the epochs that lead for parts of the held-out pictures, at most, while it is in training."""
        return PARTS * self.weights("half")


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes that fits need at most, at the fullest moment: in the last epoch, should the largest be the last.

    Attributes:
        fits: how many there are.
        weights: that stay; without them, those of the largest fit while it is in training.
        state: twice that of the largest, for the new one is whole before the old one goes.
        leaders: of the largest, see `FitSize.leaders`.
        largest: its backbone.
    """

    tier: Kept
    fits: int
    parameters: int
    weights: int
    state: int
    leaders: int
    largest: str
    predictions: int
    margin: int

    @property
    def total(self) -> int:
        """All together."""
        return self.weights + self.state + self.leaders + self.predictions + self.margin

    def __str__(self) -> str:
        each = f"{self.parameters / self.fits / 1e6:.3g} M parameters x {WEIGHT_BYTES[self.tier]:.2g} bytes"
        if self.tier == "predictions":
            kept = f"weights of one fit in training {gigabytes(self.weights)}"
        else:
            kept = f"{counted(self.fits, 'fit')} x {each} = {gigabytes(self.weights)}"
        return (
            f"{kept} + twice the state of {self.largest} while it is replaced {gigabytes(self.state)} + its "
            f"epochs that predict held-out pictures {gigabytes(self.leaders)} + predictions "
            f"{gigabytes(self.predictions)} + margin {gigabytes(self.margin)} = {gigabytes(self.total)}"
        )


def need(fits: Sequence[FitSize], tier: Kept) -> Need:
    """What these fits need.

    Args:
        fits: one at least.
    """
    largest = max(fits, key=lambda fit: fit.state)
    every = [fit.weights(tier) for fit in fits]
    weights = max(every) if tier == "predictions" else sum(every) + sum(fit.extra for fit in fits)
    predictions, state = sum(fit.predictions for fit in fits), 2 * largest.state
    leaders = largest.leaders
    return Need(
        tier=tier,
        fits=len(fits),
        parameters=sum(fit.parameters for fit in fits),
        weights=weights,
        state=state,
        leaders=leaders,
        largest=largest.backbone,
        predictions=predictions,
        margin=MARGIN_BYTES + round(MARGIN_SHARE * (weights + state + leaders + predictions)),
    )


def choose_tier(needs: Sequence[Need], free: int | None) -> tuple[Need, str, bool]:
    """The first that fits.

    Args:
        needs: of the tiers that may be chosen, the best first.
        free: bytes; None: nobody can tell, and the first is taken.

    Returns:
        The tier's need; why, with the arithmetic; whether it fits.
    """
    if free is None:
        return needs[0], f"{_IN_WORDS[needs[0].tier]}: {needs[0]}; how much is free cannot be told", True
    fitting = next((one for one in needs if one.total <= free), None)
    chosen = fitting or needs[-1]
    refused = [
        f"{one.tier} {gigabytes(one.total)}" for one in needs[: needs.index(chosen) if fitting else None]
    ]
    room = f"{gigabytes(free)} free" if fitting else f"and only {gigabytes(free)} free"
    why = f"{_IN_WORDS[chosen.tier]}: {chosen}, {room}"
    return chosen, why + (f"; not {', '.join(refused)}" if refused and fitting else ""), fitting is not None


def prediction_bytes(
    *, held: int, test: int, outputs: int, views: int, corrupted: bool, id_length: int
) -> int:
    """Bytes of one fit's predictions: of pictures held out (clean, and corrupted where that is done) and of the test set.

    Args:
        held, test: pictures.
        views: of each; kept one by one beside their mean where `prediction.views.are_kept`.
        id_length: longest id.
    """

    def files(pictures: int, means: int) -> int:
        by_view = views if views > 1 and are_kept(views, pictures, outputs) else 0
        ids = (means + (by_view > 0)) * CHARACTER_BYTES * id_length
        return pictures * ((means + by_view) * outputs * VALUE_BYTES + ids)

    return files(held, 2) + (files(held, 1) if corrupted else 0) + files(test, 1)


def free_bytes(folder: Path) -> int | None:
    """Bytes that are free where a folder is or is going to be; None: nobody can tell."""
    free = free_gb_of(nearest_folder(folder))
    return None if free is None else int(free * GB)


def gigabytes(count: float) -> str:
    """Bytes in words, in units of 2^30 or 2^20."""
    return f"{count / GB:.1f} GB" if count >= GB / 2 else f"{count / 2**20:.0f} MB"
