"""From a bundle and a competition's folder to a submission, within a time limit.

The way of the values is that of the run: the same decoding, views, blend, temperature, decision rule and gate. There is a
valid submission from the first minute on (every picture the prior), and a better one after every model. Where time runs
short there are fewer views, then fewer models.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.submission import write_submission
from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.models.passes import is_out_of_memory
from grandmaster.pipeline.bundle import Bundle, read_bundle, require_same
from grandmaster.pipeline.bundled_fit import BundledFit
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.hardware import read_hardware
from grandmaster.pipeline.view_budget import Budget, Work
from grandmaster.progress import Progress
from grandmaster.texts import counted

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class InferenceRequest:
    """What is asked for.

    Attributes:
        bundle: folder with `bundle.json`.
        data: the competition's folder; only read.
        out: the submission.
        clock: with the time limit.
        config: hardware settings count.
    """

    bundle: Path
    data: Path
    out: Path
    clock: Clock
    config: Config


@dataclass(kw_only=True)
class Inferred:
    """What came of it.

    Attributes:
        rows: of the submission.
        pictures: of the test set; `prior` of them got the prior: missing, broken, or no time.
        members: name -> views, of the fits that are part of the submission.
        gave_up: what was left out for want of time, or failed, in sentences.
        warnings: of the gate.
    """

    rows: int
    pictures: int
    prior: int
    members: dict[str, int] = field(default_factory=dict)
    gave_up: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


def infer(request: InferenceRequest, progress: Progress) -> Inferred:
    """Write the submission.

    Raises:
        UserError: no bundle, another competition, no sample submission, or no model could say anything. Where the sample
            submission could be read there is a valid file even then: the prior's.
    """
    bundle = read_bundle(request.bundle)
    competition = read_competition(request.data, bundle.data, lenient=True)
    require_same(bundle, competition)
    with tempfile.TemporaryDirectory(prefix="grandmaster_") as work:
        context = RunContext(
            folder=Path(work) / "run",
            competition=competition,
            config=request.config,
            hardware=read_hardware(request.config.hardware),
            mode="infer",
            command="",
            models_wanted=0,
            progress=progress,
            clock=request.clock,
        )
        return _Inference(request, bundle, context).carry_out()


class _Inference:
    """One bundle over one test set."""

    def __init__(self, request: InferenceRequest, bundle: Bundle, context: RunContext) -> None:
        self._request, self._bundle, self._context = request, bundle, context
        self._competition: Competition = context.competition
        count = len(self._competition.test)
        self._prior = np.tile(np.array(bundle.prior, np.float32), (count, 1))
        self._fits: dict[str, BundledFit] = {}
        self._sums: dict[int, npt.NDArray[np.float64]] = {}
        self._counts: dict[int, int] = {}
        rows = len(self._competition.sample_submission)
        self.found = Inferred(rows=rows, pictures=count, prior=count)

    def carry_out(self) -> Inferred:
        self._write(self._prior)  # a valid file from the start
        budget = Budget(self._context.clock, self._works())
        while (work := budget.next()) is not None:
            self._predict(work, budget)
        self.found.gave_up += budget.given_up()
        self.found.seconds = round(self._context.clock.elapsed(), 1)
        if not self.found.members:
            raise UserError(
                "no model could predict; the submission says of every picture what is true of the average: "
                + ("; ".join(self.found.gave_up) or "there is no picture that can be read"),
                where=self._request.out,
            )
        return self.found

    def _works(self) -> list[Work]:
        """Every fit, the first folds of all models before the second: fewer of them still differ."""
        blend = self._bundle.blend
        models = [(place, blend.models[place]) for place in blend.needed()]
        works = []
        for number in range(max(len(model.members) for _, model in models)):
            for place, model in models:
                if number < len(model.members):
                    name = model.members[number]
                    works.append(self._work(place, name, model.views))
        return works

    def _work(self, place: int, name: str, weights: tuple[float, ...] | None) -> Work:
        fit = BundledFit(self._request.bundle, name, self._bundle.members[name], weights)
        self._fits[name] = fit
        return Work(name=name, place=place, views=fit.views, cost=fit.cost)

    def _predict(self, work: Work, budget: Budget) -> None:
        """One fit's say on all pictures, into the blend."""
        fit, partial = self._fits[work.name], not self.found.members
        try:
            said = fit.predict(self._context, self._prior, work, budget, partial=partial)
        except (UserError, RuntimeError) as error:  # one that is damaged must not take the others with it
            if not isinstance(error, UserError) and not is_out_of_memory(error):
                raise
            self.found.gave_up.append(f"{work.name} failed: {error}")
            self._context.progress.message(self.found.gave_up[-1], "error")
            return
        if said is None:
            return
        total = self._sums.setdefault(work.place, np.zeros(said.values.shape))
        total += said.values
        self._counts[work.place] = self._counts.get(work.place, 0) + 1
        self.found.members[work.name] = said.views
        self.found.prior = said.prior
        if said.prior > said.unreadable:
            text = f"{counted(said.prior - said.unreadable, 'picture', 'was', 'were')} not predicted: no time was left"
            self.found.gave_up.append(text)
        means = {
            place: (values / self._counts[place]).astype(np.float32) for place, values in self._sums.items()
        }
        self._write(self._bundle.blend.apply(means, self._counts))

    def _write(self, values: Values) -> None:
        ids, outputs = tuple(self._competition.test["id"]), self._competition.outputs
        predictions = Predictions(ids=ids, outputs=outputs, values=values)
        verdict = write_submission(self._request.out, predictions, self._competition, rule=self._bundle.rule)
        self.found.warnings = verdict.warnings
