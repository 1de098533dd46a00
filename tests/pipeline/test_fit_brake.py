"""What gives way where a fit turns out too long for its time limit: views first, while epochs are worth more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from grandmaster.pipeline.pacing import FitBrake, Pace
from grandmaster.pipeline.schedule import SizeCost
from grandmaster.pipeline.timed_plan import FIT_START

EPOCH, VIEW = 10.0, 12.0


class Paced(Pace):
    """A machine on which an epoch and a view of everything take so long; nothing else takes time."""

    def __init__(self, left: float, views: int) -> None:
        decided = SimpleNamespace(tta_views=SimpleNamespace(value=views))
        self._context: Any = SimpleNamespace(plan=SimpleNamespace(decisions=decided))
        self.clock: Any = SimpleNamespace(limited=True, left=lambda: left)

    def learn(self, backbone: str, line: Any) -> None: ...

    def cost(self, model: Any, measured_slack: float = 1.0) -> SizeCost:
        return SizeCost(side=64, epoch=EPOCH, view=VIEW)

    def after_fit(self, view: float, views: int) -> float:
        return views * view

    def epochs(self, model: Any) -> tuple[int, int]:
        return 36, 60


def brake(left: float, *, views: int = 8, waiting: int = 1) -> FitBrake:
    model: Any = SimpleNamespace(backbone="net", weights=SimpleNamespace(pretrained=False))
    return FitBrake(Paced(left, views), model, waiting=waiting)


@pytest.mark.parametrize(
    ("left", "epochs"),
    [
        (8 * VIEW + 10 * EPOCH, 12),  # all views and all epochs fit
        (8 * VIEW, 2 + 8),  # of 96 s one view is kept, and 84 s are 8 epochs
        (VIEW + EPOCH, 2 + 1),
    ],
)
def test_in_a_short_run_views_give_way_to_epochs(left: float, epochs: int) -> None:
    assert brake(left).before_epoch({"epoch": 2, "seconds": EPOCH}, 12) == epochs


def test_the_last_of_many_epochs_is_worth_less_than_the_views() -> None:
    held = brake(8 * VIEW + 39 * EPOCH)
    assert held.before_epoch({"epoch": 0, "seconds": EPOCH}, 40) == 39
    assert held._views == 8


def test_what_is_left_in_the_end_is_used_for_views() -> None:
    assert brake(4 * VIEW).views() == 4


def test_where_fits_wait_views_that_were_given_up_do_not_take_their_time() -> None:
    held = brake(2 * (VIEW + 6 * EPOCH) + FIT_START, waiting=2)
    assert held.before_epoch({"epoch": 1, "seconds": EPOCH}, 12) == 6
    assert held.views() == 1
