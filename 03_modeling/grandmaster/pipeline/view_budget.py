"""How many views and models a time limit allows: measured, and decided anew before every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grandmaster.pipeline.clock import Clock
from grandmaster.texts import counted

VIEWS = (8, 4, 2, 1)
# Of the time that is left, what the foretold work may take: models of one size differ.
SHARE = 0.85


@dataclass(frozen=True, kw_only=True)
class Work:
    """One fit that is to predict.

    Attributes:
        place: of its model in the blend.
        views: the most that it needs.
        cost: of a view, in a unit that all fits share.
    """

    name: str
    place: int
    views: int
    cost: float


class Budget:
    """Decides what comes next.

    Args:
        works: in the order of their use.
    """

    def __init__(self, clock: Clock, works: Sequence[Work]) -> None:
        self.clock, self._works = clock, list(works)
        self._done, self._begun = 0, 0
        self._seconds_a_cost: float | None = None
        self._fewer: list[str] = []
        self._dropped: list[str] = []

    @property
    def knows_nothing(self) -> bool:
        """Whether nothing was measured that a limit could be divided by."""
        return self.clock.limited and self._seconds_a_cost is None

    def learn(self, work: Work, views: int, share: float, seconds: float) -> None:
        """That so much took so long.

        Args:
            share: of the test pictures.
        """
        self._seconds_a_cost = seconds / (views * share * work.cost)

    def share_within(self, work: Work, views: int, seconds: float) -> float:
        """Of the test pictures, what this fit is foretold to do in that time; at most 1."""
        if not self.clock.limited or not self._seconds_a_cost:
            return 1.0
        return min(1.0, seconds / self._seconds(work, views))

    def views_for(self, work: Work) -> int:
        """As many as allow all that is left to be done at as many; 0: not even one view of this fit alone has time."""
        if not self.clock.limited or self._seconds_a_cost is None:
            return work.views
        left, waiting = SHARE * self.clock.left(), [work, *self._works[self._begun :]]
        for views in VIEWS:
            if sum(self._seconds(each, views) for each in waiting) <= left:
                return min(views, work.views)
        return 1 if self._seconds(work, 1) <= left else 0  # those behind it have to go

    def _seconds(self, work: Work, views: int) -> float:
        assert self._seconds_a_cost is not None
        return self._seconds_a_cost * work.cost * min(views, work.views)

    def next(self) -> Work | None:
        """The next fit; None: there is no other, or no time for another."""
        if self._begun >= len(self._works):
            return None
        work = self._works[self._begun]
        self._begun += 1
        if self._done and self.views_for(work) == 0:
            self._dropped = [each.name for each in self._works[self._begun - 1 :]]
            self._begun = len(self._works)
            return None
        return work

    def finished(self, work: Work, views: int) -> None:
        """A fit has predicted."""
        self._done += 1
        if views < work.views:
            self._fewer.append(f"{work.name}: {counted(work.views, 'view')} -> {views}")

    def interrupted(self, work: Work) -> None:
        """A fit was stopped by the limit and is no part of the blend; nor are those behind it."""
        self._dropped = [work.name, *(each.name for each in self._works[self._begun :])]
        self._begun = len(self._works)

    def given_up(self) -> list[str]:
        """In sentences."""
        dropped = f"{len(self._dropped)} of {counted(len(self._works), 'fit')} had no time: {', '.join(self._dropped)}"
        return self._fewer + ([dropped] if self._dropped else [])
