"""How much of the wanted work fits into a time: models x folds x epochs x views x input size, the most valuable first.

Every combination is costed from measured speed and valued by a small model of what each part is worth; the best that
fits is taken. More time only adds combinations, so it never plans less value.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from grandmaster.texts import counted

# What a part is worth, in points of a score of 0 to 100. Rules of thumb, to be read as an order of preference and not as
# a forecast: what is given up first is what has the least worth for its seconds. That comes to: first models, then folds
# (each costs as much as the one before and adds ever less), then views and epochs beyond what is needed, then pixels.
FOLDS_WORTH = 3.0  # all folds instead of one, (1 - 1/n) of it: more to blend, and every picture is trained on and scored
ARCHITECTURES_WORTH = 2.0  # many architectures instead of one, likewise
VIEWS_WORTH = 1.0  # many views instead of one, likewise
# A fit of no epochs loses this much, and e times less with every third of the epochs that are "enough".
UNTRAINED_LOSS_FINE_TUNE, UNTRAINED_LOSS_SCRATCH = 25.0, 40.0
HALF_SIDE_LOSS = 6.0  # a picture of half the side; half of it for a side of 0.71
VIEW_CHOICES = (8, 4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class SizeCost:
    """What one fold of a model costs at one input size, seconds.

    Attributes:
        side: px.
        epoch: training on every picture once, and its validation.
        view: predicting the fold's validation pictures and the test set once.
    """

    side: int
    epoch: float
    view: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that is wanted.

    Attributes:
        sizes: from the largest down.
        enough, highest: epochs, as the planner means them.
        start: seconds of a fit that are spent whatever the epochs.
        pretrained: starts from loaded weights.
    """

    name: str
    sizes: tuple[SizeCost, ...]
    enough: int
    highest: int
    start: float
    pretrained: bool


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is to be done.

    Attributes:
        models: the first so many of the candidates.
        folds: trained of each.
        epochs, sides: of each model.
        views: of test-time augmentation.
        seconds: what it costs.
        value: points; only differences mean something.
        fits: False: even the least does not fit, and this is the least.
    """

    models: int
    folds: int
    epochs: tuple[int, ...]
    sides: tuple[int, ...]
    views: int
    seconds: float
    value: float
    fits: bool = True


def blend_value(*, fits: int, models: int, views: int) -> float:
    """Points for what is averaged."""
    folds = fits / models
    return (
        FOLDS_WORTH * (1 - 1 / folds) + ARCHITECTURES_WORTH * (1 - 1 / models) + VIEWS_WORTH * (1 - 1 / views)
    )


def fit_value(epochs: float, *, enough: int, pretrained: bool, side_share: float = 1.0) -> float:
    """Points for how well one fit is trained, 0 at most.

    Args:
        side_share: input side, as a share of the one that is wanted.
    """
    untrained = UNTRAINED_LOSS_FINE_TUNE if pretrained else UNTRAINED_LOSS_SCRATCH
    return -untrained * math.exp(-3 * epochs / enough) + HALF_SIDE_LOSS * math.log2(side_share)


def choose_schedule(candidates: Sequence[Candidate], *, folds: int, views: int, seconds: float) -> Schedule:
    """The most valuable combination that takes no more than `seconds`; the cheapest of equals.

    Args:
        candidates: the wanted models, the best first.
        folds, views: as many as are wanted.
        seconds: for training and predicting.
    """
    most = max(candidate.highest for candidate in candidates)
    levels = max(len(candidate.sizes) for candidate in candidates)
    allowed = [choice for choice in VIEW_CHOICES if choice <= views]
    best: Schedule | None = None
    for models, level in itertools.product(range(1, len(candidates) + 1), range(levels)):
        chosen = candidates[:models]
        for fold_count, view_count in itertools.product(range(1, folds + 1), allowed):
            # Cost and value both grow with the epochs: the most that fit are the best of this combination.
            low, high = 0, most
            while low < high:
                middle = (low + high + 1) // 2
                if _cost(chosen, level, fold_count, middle, view_count) <= seconds:
                    low = middle
                else:
                    high = middle - 1
            if low < 1:
                continue
            found = _scheduled(chosen, level, fold_count, low, view_count)
            if best is None or (found.value, -found.seconds) > (best.value, -best.seconds):
                best = found
    if best is not None:
        return best
    least = _scheduled(candidates[:1], levels - 1, 1, 1, 1)
    return Schedule(**{**least.__dict__, "fits": False})


def _at(candidate: Candidate, level: int) -> SizeCost:
    return candidate.sizes[min(level, len(candidate.sizes) - 1)]


def _cost(chosen: Sequence[Candidate], level: int, folds: int, epochs: int, views: int) -> float:
    return folds * sum(
        candidate.start
        + min(epochs, candidate.highest) * _at(candidate, level).epoch
        + views * _at(candidate, level).view
        for candidate in chosen
    )


def _scheduled(chosen: Sequence[Candidate], level: int, folds: int, epochs: int, views: int) -> Schedule:
    trained = [
        fit_value(
            min(epochs, candidate.highest),
            enough=candidate.enough,
            pretrained=candidate.pretrained,
            side_share=_at(candidate, level).side / candidate.sizes[0].side,
        )
        for candidate in chosen
    ]
    return Schedule(
        models=len(chosen),
        folds=folds,
        epochs=tuple(min(epochs, candidate.highest) for candidate in chosen),
        sides=tuple(_at(candidate, level).side for candidate in chosen),
        views=views,
        seconds=_cost(chosen, level, folds, epochs, views),
        value=sum(trained) / len(trained)
        + blend_value(fits=len(chosen) * folds, models=len(chosen), views=views),
    )


def given_up(candidates: Sequence[Candidate], folds: int, views: int, schedule: Schedule) -> list[str]:
    """In words, what was wanted and is not in the schedule."""
    lines = []
    if schedule.models < len(candidates):
        lines.append(f"{len(candidates) - schedule.models} of {counted(len(candidates), 'model')}")
    if schedule.folds < folds:
        lines.append(f"{folds - schedule.folds} of {counted(folds, 'fold')}")
    for candidate, epochs, side in zip(candidates, schedule.epochs, schedule.sides, strict=False):
        if epochs < candidate.highest:
            lines.append(f"{candidate.name} {counted(candidate.highest, 'epoch')} -> {epochs}")
        if side < candidate.sizes[0].side:
            lines.append(f"{candidate.name} {candidate.sizes[0].side} px -> {side}")
    if schedule.views < views:
        lines.append(f"{counted(views, 'view')} -> {schedule.views}")
    return lines


def revise_epochs(
    left: float,
    remaining: Sequence[Candidate],
    planned: Sequence[int],
    *,
    views: int,
    done: int,
    done_models: Sequence[str],
) -> tuple[int, int]:
    """How many of the remaining fits are still worth starting, and the epochs of the first.

    Args:
        left: seconds for all of them.
        remaining: one a fit, in order, each with its one size and measured costs.
        planned: epochs of each.
        views: planned for the test set.
        done: fits that are finished.
        done_models: their architectures.

    Returns:
        (fits, epochs); (0, 0): one is finished already, and none that can still end in time would add to it.
    """
    # A hardly trained fit beside finished ones would do harm.
    best = (blend_value(fits=done, models=len(set(done_models)), views=views), 0, 0) if done else None
    for count in range(1, len(remaining) + 1):
        chosen = remaining[:count]
        spare = left - sum(fit.start + views * fit.sizes[0].view for fit in chosen)
        whole = sum(epochs * fit.sizes[0].epoch for fit, epochs in zip(chosen, planned, strict=False))
        share = spare / whole if whole > 0 else 0.0
        # With time to spare, epochs beyond the plan, as far as they are of any use.
        epochs = [min(fit.highest, int(share * wanted)) for fit, wanted in zip(chosen, planned, strict=False)]
        if min(epochs) < 1:
            continue
        # Finished fits are taken to be as good as planned: what counts is how much better or worse these are.
        trained = [
            fit_value(number, enough=fit.enough, pretrained=fit.pretrained)
            - fit_value(wanted, enough=fit.enough, pretrained=fit.pretrained)
            for fit, number, wanted in zip(chosen, epochs, planned, strict=False)
        ]
        names = {*done_models, *(fit.name for fit in chosen)}
        value = sum(trained) / (done + count) + blend_value(fits=done + count, models=len(names), views=views)
        if best is None or value > best[0]:
            best = (value, count, epochs[0])
    return (1, 1) if best is None else best[1:]
