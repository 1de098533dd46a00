"""One fit of a bundle at work on this machine: on its device, in a number format that it has."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from torch import nn

from grandmaster.images.dataset import PictureDataset
from grandmaster.images.store import PictureStore
from grandmaster.models.memory_format import to_memory_format
from grandmaster.models.passes import free_memory
from grandmaster.pipeline.bundle import BundledMember, member_facts
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fitted import load_fitted
from grandmaster.pipeline.held_out import predict_pictures
from grandmaster.pipeline.view_budget import VIEWS, Budget, Work
from grandmaster.prediction.views import MOST_VALUES, ViewValues
from grandmaster.texts import counted
from grandmaster.training.precision import Precision, PrecisionName
from grandmaster.training.spec import FitSpec

Values = npt.NDArray[np.float32]
# Between two looks at the clock: pictures at most, and seconds, about.
CHUNK, LOOK_SECONDS = 2048, 30.0
# Pictures of the trial that the first division of the time rests on.
TRIAL = 64


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one fit says.

    Attributes:
        values: float32 (n, outputs) of all test pictures.
        views: that it was averaged over.
        prior: how many got the prior; `unreadable` of them cannot be read.
    """

    values: Values
    views: int
    prior: int
    unreadable: int


class BundledFit:
    """One fit.

    Args:
        weights: of its views; None: all that the run predicted count the same.
    """

    def __init__(
        self, bundle: Path, name: str, member: BundledMember, weights: tuple[float, ...] | None
    ) -> None:
        self._folder, self._name, self._member = bundle / member.folder, name, member
        self._weights = None if weights is None else np.array(weights, np.float64)
        self._bundle = bundle

    @cached_property
    def spec(self) -> FitSpec:
        """As it was fitted."""
        return member_facts(self._bundle, self._member)

    @cached_property
    def views(self) -> int:
        """That it has to predict: none that would count for nothing in the end."""
        views = self._member.views
        if self._weights is None:
            return views
        counted = np.flatnonzero(self._weights[:views] > 0)
        needed = int(counted[-1]) + 1 if len(counted) else views
        return min(count for count in (*VIEWS, views) if needed <= count <= views)

    @property
    def cost(self) -> float:
        """Of a view, in a unit that all fits share: parameters times area."""
        return float(self._member.parameters) * self.spec.input_size**2

    def predict(
        self, context: RunContext, prior: Values, own: Work, budget: Budget, *, partial: bool
    ) -> Said | None:
        """Predict the test pictures, under as many views as there is time for.

        Args:
            prior: (n, outputs), what is said of those that cannot be read.
            own: this fit, as the budget knows it.
            partial: where time runs out, the pictures so far are enough; False: they are for nothing.

        Returns:
            None where it was for nothing.

        Raises:
            UserError: its files are missing or damaged, or what it says is not finite in any number format.
        """
        store = context.store("test", self.spec.store_size)
        workers = 0 if store.decoded else context.hardware.cores
        if context.config.hardware.workers is None:
            hardware = msgspec.structs.replace(context.config.hardware, workers=workers)
            context.config = msgspec.structs.replace(context.config, hardware=hardware)
        readable = np.array([row for row in range(len(store)) if row not in store.unreadable], np.int64)
        if not len(readable):
            return None
        net = load_fitted(self.spec, self._folder)
        format_ = self._format(context)
        work = _Passes(context, self.spec, net, self._name, format_)
        try:
            if budget.knows_nothing:
                self._try(work, store, readable, own, budget)
            views = max(1, budget.views_for(own))
            done, values = self._all(work, store, readable, prior, own, views, budget)
            if not np.isfinite(values).all() and format_ != "fp32":
                context.progress.message(f"{self._name} overflows in {format_}: float32 instead", "warn")
                work = _Passes(context, self.spec, net, self._name, "fp32")
                done, values = self._all(work, store, readable, prior, own, views, budget)
        finally:
            net.to("cpu")
            free_memory()
        if not np.isfinite(values).all():
            context.progress.message(f"{self._name} says what is no number and is left out", "error")
            return None
        if done < len(readable) and not partial:
            budget.interrupted(own)
            return None
        budget.finished(own, views)
        return Said(
            values=values, views=views, prior=len(store) - done, unreadable=len(store) - len(readable)
        )

    def _format(self, context: RunContext) -> PrecisionName:
        """What this machine is best at; a fit that overflowed in training is not tried again in half a format."""
        return "fp32" if self._member.precision == "fp32" else context.hardware.precision

    def _try(
        self, work: _Passes, store: PictureStore, readable: npt.NDArray[np.int64], own: Work, budget: Budget
    ) -> None:
        """See what some pictures take; the first time is for getting warm."""
        rows, seconds = readable[:TRIAL], 0.0
        for _ in range(2):
            started = time.perf_counter()
            work.say(store, rows, 1)
            seconds = time.perf_counter() - started
        budget.learn(own, 1, len(rows) / len(readable), seconds)

    def _all(
        self,
        work: _Passes,
        store: PictureStore,
        readable: npt.NDArray[np.int64],
        prior: Values,
        own: Work,
        views: int,
        budget: Budget,
    ) -> tuple[int, Values]:
        """How many pictures were predicted, and what is said of all."""
        values, done, started = prior.copy(), 0, time.perf_counter()
        seconds = min(LOOK_SECONDS, 0.1 * max(0.0, budget.clock.left()))
        soon = int(len(readable) * budget.share_within(own, views, seconds))
        chunk = max(
            1, min(CHUNK, MOST_VALUES // (views * prior.shape[1]), max(self.spec.prediction_batch, soon))
        )
        work.context.progress.start(work.task, len(readable))
        for first in range(0, len(readable), chunk):
            if first and budget.clock.left() <= 0:
                break
            rows = readable[first : first + chunk]
            values[rows] = self._averaged(work.say(store, rows, views))
            done += len(rows)
        budget.learn(own, views, done / len(readable), time.perf_counter() - started)
        work.context.progress.finish(work.task, counted(views, "view"))
        return done, values

    def _averaged(self, by_view: Values) -> Values:
        """(views, n, c) -> (n, c), by the weights that were chosen."""
        if self._weights is None or len(by_view) == 1:
            return by_view.mean(axis=0)
        ids = tuple(map(str, range(by_view.shape[1])))
        outputs = tuple(map(str, range(by_view.shape[2])))
        return ViewValues(ids=ids, outputs=outputs, values=by_view).averaged(self._weights).values


class _Passes:
    """A model on the device in one number format."""

    def __init__(
        self, context: RunContext, spec: FitSpec, net: nn.Module, name: str, format_: PrecisionName
    ) -> None:
        self.context, self.task = context, f"predict {name}"
        device = context.hardware.device
        self._spec = msgspec.structs.replace(spec, device=device)
        self._precision = Precision(device, format_)
        self._net = to_memory_format(self._precision.fabric.to_device(net), spec.memory_format)

    def say(self, store: PictureStore, rows: npt.NDArray[np.int64], views: int) -> Values:
        """(views, n, c) of these rows, in their order."""
        spec = self._spec
        found = predict_pictures(
            self.context,
            spec,
            self._net,
            self._precision,
            PictureDataset(store, None, None, spec.input_size, spec.seed, rows=rows),
            views=views,
            task=self.task,
            on_batch=lambda pictures: self.context.progress.advance(self.task, pictures),
        )
        assert np.array_equal(found.rows, rows), "the loader keeps the order"
        return found.averaged[None] if found.by_view is None else found.by_view
