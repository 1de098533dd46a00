"""Keeping a run within its time limit: what was measured replaces what was planned, and what no longer fits is given up.

Without a limit nothing here changes anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grandmaster.pipeline import planner
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.pipeline.schedule import (
    VIEW_CHOICES,
    Candidate,
    SizeCost,
    blend_value,
    fit_value,
    revise_epochs,
)
from grandmaster.pipeline.timed_plan import FIT_START, PICTURE_SECONDS, end_seconds

Fit = tuple[ModelPlan, int]

# Measured times vary (other load, heat), planned ones may be wrong.
MEASURED_SLACK, PLANNED_SLACK = 1.15, 1.6
# A forward pass is a third of training a picture; validation pictures may be corrupted on the way.
FORWARD_SHARE = 0.6
# Epochs are added to a later fit's plan only where it is worth it.
WORTH_ADDING = 1.2
# Epochs whose median says how long one takes.
REMEMBERED = 3
# Share of the time left that a trial of the augmentation may take, once it is begun.
TRIAL_MOST = 0.25
# Within a fit less slack will do: should it turn out too little, the schedule is shortened again.
FIT_SLACK = 1.05
# A fit is given more epochs where it can have this many times those it was to have, and while the rate is high.
WORTH_LENGTHENING, LENGTHEN_UNTIL = 1.15, 0.3
# Where others wait, a fit keeps its epochs unless its share of the time is less than this part of them.
WORTH_SHORTENING = 0.9
# No fold is added for fewer epochs.
FEWEST_ADDED = 3
# What comes after the planned fits and is no part of a submission yet (pseudo-labels, a student, specialists) is begun only
# where it would take this share of the time left, by what the planned fits took.
SHARE_OF_TIME = 0.8


class Pace:
    """What things take on this machine, and what to do about it.

    Args:
        context: with its clock.
        histories: lines of `metrics.jsonl` of fits that were done before, by backbone.
    """

    def __init__(self, context: RunContext, histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self._context, self.clock = context, context.clock
        folds, validations = context.plan.folds_total, 2 if context.plan.corruption else 1
        pictures = len(context.trainable)
        self.trained = pictures * (folds - 1) / folds
        self.held = validations * pictures / folds
        self.test = len(context.competition.test)
        self._seen: dict[str, deque[tuple[float, float]]] = {}
        self._epoch: dict[str, float] = {}
        self._forward: dict[str, float] = {}
        for backbone, lines in histories.items():
            for line in lines:
                self.learn(backbone, line)

    def learn(self, backbone: str, line: Mapping[str, Any]) -> None:
        """Remember what an epoch took, or would have taken where it was cut: what counts is the median of the last few, so
        that one in which the machine had something else to do decides nothing."""
        seconds, speed = line.get("seconds"), line.get("images_per_second")
        if not seconds or not speed:
            return
        validating = max(0.0, seconds - line.get("cut", self.trained) / speed)
        seen = self._seen.setdefault(backbone, deque(maxlen=REMEMBERED))
        seen.append((self.trained / speed + validating, validating / max(1.0, self.held)))
        self._epoch[backbone], self._forward[backbone] = np.median(list(seen), axis=0).tolist()

    @property
    def measured(self) -> bool:
        """Whether anything was timed."""
        return bool(self._epoch)

    def cost(self, model: ModelPlan, measured_slack: float = MEASURED_SLACK) -> SizeCost:
        """Of one fold, slack included: measured, else planned and corrected by what other models took."""
        epoch, forward = self._planned(model)
        if model.backbone in self._epoch:
            epoch, slack = self._epoch[model.backbone], measured_slack
            forward = self._forward[model.backbone]
        else:
            slack = PLANNED_SLACK
            plans = {other.backbone: other for other in self._context.plan.models}
            ratios = [
                seconds / self._planned(plans[name])[0]
                for name, seconds in self._epoch.items()
                if name in plans
            ]
            if ratios:
                epoch, forward = epoch * max(ratios), forward * max(ratios)
        return SizeCost(
            side=model.input_size, epoch=slack * epoch, view=slack * forward * (self.held + self.test)
        )

    def _planned(self, model: ModelPlan) -> tuple[float, float]:
        """Seconds of an epoch and of a picture's forward pass, by the plan."""
        views = self._context.plan.decisions.tta_views.value
        passes = model.epochs * (3 * self.trained + self.held) + views * (self.held + self.test)
        forward = 60 * model.minutes_per_fold / max(1.0, passes)
        return forward * (3 * self.trained + self.held), forward

    def after_fit(self, view: float, views: int) -> float:
        """Seconds from the last epoch to the end of the run."""
        reading = PICTURE_SECONDS * self.test / self._context.hardware.cores
        return FIT_START + reading + views * view + end_seconds(len(self._context.trainable))

    def decide(self, remaining: Sequence[Fit], done: Sequence[Fit]) -> tuple[int, int]:
        """How many of the remaining fits are still to be done, and the epochs of the first of them."""
        planned = [model.epochs for model, _ in remaining]
        if not self.clock.limited or not remaining or not planned[0]:  # nothing to train takes no epochs
            return len(remaining), planned[0] if planned else 0
        candidates = []
        for model, _ in remaining:
            enough, highest = self.epochs(model)
            candidates.append(
                Candidate(
                    name=model.backbone,
                    sizes=(self.cost(model),),
                    enough=enough,
                    highest=highest if self.measured else model.epochs,
                    start=FIT_START,
                    pretrained=model.weights.pretrained,
                )
            )
        reading = 0.0 if done else PICTURE_SECONDS * self.test / self._context.hardware.cores
        left = self.clock.left() - end_seconds(len(self._context.trainable)) - reading
        count, epochs = revise_epochs(
            left,
            candidates,
            planned,
            views=self._context.plan.decisions.tta_views.value,
            done=len(done),
            done_models=[model.backbone for model, _ in done],
        )
        if not self.measured:
            # Nothing has been timed yet: the plan stands until it has, with all the fits it has.
            return len(remaining), planned[0]
        if planned[0] < epochs < WORTH_ADDING * planned[0]:
            epochs = planned[0]
        return count, epochs

    def another(self, fits: Sequence[Fit], done: Sequence[Fit]) -> Fit | None:
        """A fold beyond the planned ones, where all else is done and there is time for it; None: there is not."""
        plan, wanted = self._context.plan, self._context.config.folds.train
        if not self.clock.limited or not self.measured:
            return None
        folds = min(plan.folds_total, wanted or plan.folds_total)
        for fold in range(folds):
            for model in plan.models:
                if (model, fold) in fits:
                    continue
                count, epochs = self.decide([(model, fold)], done)
                if count and epochs >= FEWEST_ADDED:
                    return model, fold
        return None

    def epochs(self, model: ModelPlan) -> tuple[int, int]:
        """How many are enough, and the most that are of use; the plan's where they are set."""
        table = planner.EPOCHS_FINE_TUNE if model.weights.pretrained else planner.EPOCHS_SCRATCH
        _, enough, highest = table
        is_open = self._context.config.training.epochs is None
        return enough, max(model.epochs, highest) if is_open else model.epochs

    def can_continue(self, model: ModelPlan) -> bool:
        """Whether a fit that was cut short has time for another epoch and for being judged anew."""
        if not self.clock.limited:
            return True
        cost = self.cost(model)
        return self.clock.left() > cost.epoch + self.after_fit(cost.view, 1)

    def views(self, model: ModelPlan) -> int:
        """Views that the validation pictures and the test set can still be predicted with, at most the plan's."""
        wanted = self._context.plan.decisions.tta_views.value
        if not self.clock.limited:
            return wanted
        view = self.cost(model).view
        fitting = [
            count
            for count in VIEW_CHOICES
            if count <= wanted and self.after_fit(view, count) <= self.clock.left()
        ]
        return max(fitting, default=1)


class FitBrake:
    """Fits one fit's epochs to the time as it goes on; ends it within an epoch as the last resort."""

    def __init__(self, pace: Pace, model: ModelPlan, *, waiting: int) -> None:
        """`waiting`: fits that are still to be done, this one included; they share the time."""
        self._pace, self._model, self._waiting = pace, model, waiting
        self._planned_views: int = pace._context.plan.decisions.tta_views.value
        self._views: int = self._planned_views

    def before_epoch(self, last: Mapping[str, Any], epochs: int) -> int:
        """See `Brake`."""
        pace, done = self._pace, last["epoch"]
        pace.learn(self._model.backbone, last)
        if not pace.clock.limited or last.get("cut") or 1 < epochs <= done:
            return epochs
        cost = pace.cost(self._model, FIT_SLACK)
        self._views = self._views_to_keep(cost, done, epochs)
        fitting = self._fitting(cost, done, self._views)
        if fitting < (1.0 if self._waiting == 1 else WORTH_SHORTENING) * epochs:
            return fitting
        fitting = min(fitting, pace.epochs(self._model)[1])
        early = done == 1 or done <= LENGTHEN_UNTIL * epochs
        return fitting if early and fitting >= WORTH_LENGTHENING * epochs else epochs

    def _fitting(self, cost: SizeCost, done: int, views: int) -> int:
        """Epochs of this fit that there is time for beside so many views of every fit."""
        left = self._pace.clock.left() - self._pace.after_fit(cost.view, views)
        if self._waiting == 1:
            return done + int(left / cost.epoch)
        # As many epochs each, for this fit and those that wait.
        others = (self._waiting - 1) * (FIT_START + views * cost.view)
        fitting = int(((left - others) / cost.epoch + done) / self._waiting)
        # One more, for the rate to come down.
        return max(fitting, done + 1) if left >= cost.epoch else fitting

    def _views_to_keep(self, cost: SizeCost, done: int, epochs: int) -> int:
        """Views whose time is set aside: in a short run epochs are worth more than they are (see `schedule`)."""
        enough, _ = self._pace.epochs(self._model)
        pretrained = self._model.weights.pretrained

        def value(views: int) -> float:
            trained = min(epochs, max(done, self._fitting(cost, done, views)))
            worth = blend_value(fits=1, models=1, views=views)
            return worth + fit_value(trained, enough=enough, pretrained=pretrained)

        return max((count for count in VIEW_CHOICES if count <= self._planned_views), key=value)

    def views(self) -> int:
        """Views of the predictions, once the epochs are done: as many as there is time for, or were kept where fits wait."""
        possible = self._pace.views(self._model)
        return possible if self._waiting == 1 else min(possible, self._views)

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        """See `Brake`."""
        pace = self._pace
        if not pace.clock.limited:
            return False
        view = pace.cost(self._model).view
        if self._model.backbone not in pace._forward and pictures:
            forward = FORWARD_SHARE * seconds / pictures
            view = MEASURED_SLACK * forward * (pace.held + pace.test)
        validation = 0.0 if has_best else view * pace.held / max(1.0, pace.held + pace.test)
        return pace.clock.left() < validation + pace.after_fit(view, 1)


class TrialBrake:
    """Breaks the trial of the augmentation off when it takes more than a share of the time that was left before it."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._keep = clock, (1 - TRIAL_MOST) * clock.left()

    def before_epoch(self, last: Mapping[str, Any], epochs: int) -> int:
        """See `Brake`."""
        return last["epoch"] if self.in_epoch(0, 0.0, has_best=True) else epochs

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        """See `Brake`."""
        return self._clock.limited and self._clock.left() < self._keep


class StageBrake:
    """Ends a fit that is not needed for a submission, once the time that is to be kept for handing in would be used."""

    def __init__(self, clock: Clock, keep: float) -> None:
        self._clock, self._keep = clock, keep

    def before_epoch(self, last: Mapping[str, Any], epochs: int) -> int:
        """See `Brake`; fits that are compared have the epochs they were meant to have, or none."""
        return last["epoch"] if self._clock.left() < self._keep + last["seconds"] else epochs

    def in_epoch(self, pictures: int, seconds: float, *, has_best: bool) -> bool:
        """See `Brake`."""
        return self._clock.left() < self._keep
