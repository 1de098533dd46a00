"""The blend: views of every model, weights of the models, and a temperature, all chosen on out-of-fold predictions.

Nothing is scored on what it was chosen on: the out-of-fold value of a picture comes from choices made on the other
parts (folds; where fewer than three were trained, four parts by group), the test values from choices made on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.rule_fitting import hands_in_decisions
from grandmaster.pipeline.blend_report import report_choice, report_mean
from grandmaster.pipeline.calibrating import (
    Calibration,
    calibrate,
    leave_uncalibrated,
    why_not_calibrated,
)
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.joining import Joined, choose_views_of, joined_mean, objective_of
from grandmaster.pipeline.members import Member
from grandmaster.pipeline.resplitting import Resplitting
from grandmaster.pipeline.specialists import specialists_at_hand
from grandmaster.prediction.applied import AppliedBlend, AppliedModel
from grandmaster.prediction.blend_choice import BlendChoice, choose_blend
from grandmaster.prediction.blend_methods import METHODS, kind_of_values
from grandmaster.prediction.calibration import Temperatures, calibrated, nested_temperatures
from grandmaster.prediction.views import views_path
from grandmaster.storage import read_json, write_json

Values = npt.NDArray[np.float32]
# To have left for choices, seconds: for the submission and the report that come after them, and by what was measured for
# every number of all models' out-of-fold predictions; more where thresholds or cut points are fitted over and over.
FEWEST_SECONDS, SECONDS_A_NUMBER, RULE_FACTOR = 20.0, 6e-5, 6.0
# How values of test pictures come about, to be done again elsewhere.
APPLIED = "applied.json"
# Numbers of all models together, 256 MB: above it they are averaged one after the other, and nothing is chosen.
MOST_VALUES = 64_000_000


def may_choose(context: RunContext, members: Sequence[Member]) -> bool:
    """Whether there is time for choices among these fits; where there is not, that is said."""
    competition = context.competition
    models = len({member.group for member in members})
    needed = SECONDS_A_NUMBER * models * len(context.trainable) * len(competition.outputs)
    if competition.kind in ("multilabel", "ordinal") and hands_in_decisions(competition.submission_format):
        needed *= RULE_FACTOR
    if context.clock.left() >= FEWEST_SECONDS + needed:
        return True
    context.revisions.say("views and models are averaged equally, nothing chosen; the same command chooses")
    return False


def how_chosen(context: RunContext, fitted_on: str) -> dict[str, object]:
    """What choices depend on besides the predictions."""
    settings, specialists = context.config, specialists_at_hand(context)
    return {
        "on": fitted_on,
        "views": settings.prediction.choose_views,
        "method": settings.ensemble.method,
        "rounds": settings.ensemble.bootstrap_rounds,
        "level": settings.ensemble.interval_level,
        **({} if specialists is None else {"specialists": specialists.hash}),
    }


def what_was_chosen(context: RunContext) -> tuple[bool, str]:
    """Whether views were chosen for one model at least, and how models are blended, for people."""
    folder = context.folder / "ensemble"
    known = read_json(folder / "manifest.json")["outputs"]
    views = "tta.json" in known and any(
        line["chosen"] is not None for line in read_json(folder / "tta.json")["models"]
    )
    title = read_json(folder / "blend.json")["title"] if "blend.json" in known else METHODS["mean"].title
    said = f"{title} of {kind_of_values(context.competition.kind)}"
    if "specialist.json" in known and (told := read_json(folder / "specialist.json"))["kept"]:
        said += f", with specialists for {' and '.join(told['pairs'])}"
    return views, said


def files_of(members: Sequence[Member], kinds: Sequence[str]) -> list[Path]:
    """Every file that a blend of these members reads."""
    means = [member.folder / f"{kind}.npz" for member in members for kind in kinds]
    means += [member.test for member in members]
    return [*means, *(path for path in map(views_path, means) if path.exists())]


def blend_members(
    context: RunContext, members: Sequence[Member], kinds: Sequence[str], *, fitted_on: str, choosing: bool
) -> list[Path]:
    """Write what `predicting.ensemble` says, but the rule.

    Args:
        kinds: of out-of-fold predictions: "oof", "oof_plain", "oof_corrupted".
        fitted_on: the kind that choices are made on.
        choosing: False: the mean over views and models.

    Returns:
        The files.
    """
    folder = context.folder / "ensemble"
    groups = list(dict.fromkeys(member.group for member in members))
    models = [Joined([member for member in members if member.group == group], kinds) for group in groups]
    blending = _Blending(context, models, fitted_on)
    written = []
    if choosing:
        with threadpool_limits(1):  # many small products: threads would wait for each other
            if context.config.prediction.choose_views:
                views = folder / "tta.json"
                written.append(choose_views_of(context, models, blending.objective, fitted_on, views))
            if len(models) > 1:
                written.append(blending.choose(folder / "blend.json"))
            written.append(blending.calibrate(folder / "calibration.json"))
            written += blending.ask_specialists(folder / "specialist.json")
    for kind in kinds:
        written.append(folder / f"{kind}.npz")
        blending.out_of_fold(kind).save(written[-1])
    written += [folder / "test.npz", folder / APPLIED]
    blending.test().save(written[-2])
    write_json(written[-1], msgspec.to_builtins(blending.applied()))  # which keeps what kind of blend it is
    return written


class _Blending:
    """The models of one blend, and what was chosen for them."""

    def __init__(self, context: RunContext, models: Sequence[Joined], fitted_on: str) -> None:
        self._context, self._models, self._fitted_on = context, models, fitted_on
        self._kind = context.competition.kind
        self.ids = tuple(sorted({picture_id for model in models for picture_id in model.ids}))
        self.objective = objective_of(context, self.ids)
        known = [set(model.ids) for model in models]
        self._whole = np.array([all(picture_id in ids for ids in known) for picture_id in self.ids])
        self._places = np.flatnonzero(self._whole)
        self._choice: BlendChoice | None = None
        self._calibration: Calibration | None = None
        self._specialists: Resplitting | None = None

    # What was chosen, applied.

    def out_of_fold(self, kind: str) -> Predictions:
        """Every picture by choices in which its part had no say."""
        values = self._blended(kind)
        if self._calibration is not None:
            values = calibrated(self._kind, values, self._calibration.used, self.objective.part)
        if self._specialists is not None:
            values = self._specialists.out_of_fold(kind, values)
        return self._predictions(self.ids, values)

    def test(self) -> Predictions:
        """Test pictures, by choices made on all."""
        tests = [model.test() for model in self._models]
        ids, places = tests[0].ids, range(len(tests))
        values = self.applied().apply(
            {place: tests[place].aligned_to(ids).values for place in places},
            {place: len(self._models[place].members) for place in places},
        )
        if self._specialists is not None:
            values = self._specialists.test(ids, values)
        return self._predictions(ids, values)

    def applied(self) -> AppliedBlend:
        """How values of test pictures come about, without the specialists."""
        models = [
            AppliedModel(
                name=model.name,
                members=tuple(member.name for member in model.members),
                views=None if model.choice is None else tuple(model.choice.without(None).tolist()),
            )
            for model in self._models
        ]
        return AppliedBlend.of(
            self._kind,
            models,
            None if self._choice is None else self._choice.fitted,
            temperature=None if self._calibration is None else self._calibration.used[None],
            specialists=self._specialists is not None and self._specialists.kept,
        )

    def _blended(self, kind: str) -> Values:
        """(n, c) of all pictures, not calibrated; pictures that a model lacks by the mean of those that have them."""
        values = joined_mean(self._models, self.objective, self.ids, kind).values
        if self._choice is not None:
            part_of = self.objective.part[self._places]
            if kind == self._fitted_on:
                values[self._places] = self._choice.chosen(part_of)
            else:
                values[self._places] = self._choice.nested(lambda part: self._members(kind, part), part_of)
        return values

    def _members(self, kind: str, part: int | None) -> Values:
        """(m, n, c) of the pictures that every model has."""
        wanted = [self.ids[place] for place in self._places]
        found = []
        for model in self._models:
            place = {picture_id: row for row, picture_id in enumerate(model.ids)}
            rows = [place[picture_id] for picture_id in wanted]
            found.append(model.values(kind, part)[rows])
        return np.stack(found)

    def _predictions(self, ids: Sequence[str], values: Values) -> Predictions:
        return Predictions(ids=tuple(ids), outputs=self._context.competition.outputs, values=values)

    # Choosing.

    def choose(self, path: Path) -> Path:
        """Choose how models are blended -> `blend.json`, and the line of what that was worth."""
        wanted = self._context.config.ensemble.method
        why = self._why_not()
        if why is None:
            own = self.objective.of(self._places)
            kept: dict[tuple[str, int | None], Values] = {}

            def members(part: int | None) -> Values:
                if len(kept) > 1:
                    kept.clear()  # two at a time: many parts of many models would fill the memory
                key = (self._fitted_on, part)
                if key not in kept:
                    kept[key] = self._members(*key)
                return kept[key]

            names = tuple(METHODS) if wanted == "auto" else (wanted,)
            self._choice = choose_blend(members, own, names)
            if wanted in self._choice.skipped:
                why = self._choice.skipped[wanted]
                self._context.progress.message(
                    f"ensemble.method={wanted} does not apply, as {why}: the mean is used.", "warn"
                )
        if self._choice is None:
            assert why is not None, "without a reason something is chosen"
            report_mean(self._context, self._models, path, fitted_on=self._fitted_on, why=why)
            return path
        report_choice(
            self._context,
            self._models,
            self._choice,
            path,
            ids=tuple(self.ids[place] for place in self._places),
            part_of=self.objective.part[self._places],
            fitted_on=self._fitted_on,
            why=why,
        )
        return path

    def _why_not(self) -> str | None:
        if len(self._places) * len(self._models) * len(self._context.competition.outputs) > MOST_VALUES:
            return f"the models' predictions are more than {MOST_VALUES:,} numbers"
        if not len(self._places) or not self.objective.of(self._places).can_choose:
            return "too few pictures were predicted by every model to choose on some and try on others"
        return None

    def ask_specialists(self, path: Path) -> list[Path]:
        """Choose how much specialists for pairs of classes count, where there are any: see `Resplitting.choose`."""
        at_hand = specialists_at_hand(self._context)
        if at_hand is None:
            return []
        specialists = Resplitting(self._context, self.objective, self.ids, at_hand)
        specialists.choose(self._fitted_on, self.out_of_fold(self._fitted_on).values, path)
        self._specialists = specialists
        return [path]

    def calibrate(self, path: Path) -> Path:
        """Fit a temperature and apply it where the metric gains: see `calibrating`."""
        why = why_not_calibrated(self._context, self.objective)
        if why is not None:
            leave_uncalibrated(self._context, why, self._fitted_on, path)
            return path
        plain = self._blended(self._fitted_on)
        self._calibration = calibrate(
            self._context,
            self.objective,
            self._predictions(self.ids, plain),
            self._temperatures(plain),
            fitted_on=self._fitted_on,
            path=path,
        )
        return path

    def _temperatures(self, plain: Values) -> Temperatures:
        """Of every part by the others; where methods were chosen, by those of its own method: some are surer than others."""
        if self._choice is None:
            return nested_temperatures(self.objective, plain)
        own, by_part = self.objective.of(self._places), self._choice.by_part
        names = {self._choice.name, *(name for name, _ in by_part.values())}
        fitted = {name: nested_temperatures(own, self._choice.tried[name]) for name in names}
        of_all = fitted[self._choice.name][None]
        found: Temperatures = dict.fromkeys([None, *self.objective.parts], of_all)
        return found | {part: fitted[name][part] for part, (name, _) in by_part.items()}
