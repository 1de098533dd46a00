"""One model's fits joined over folds, and which of its views of test-time augmentation count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.objective import Objective
from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.members import Member
from grandmaster.pipeline.techniques import Technique, record, scored_on
from grandmaster.prediction.ensemble import blend, blend_known, concatenate
from grandmaster.prediction.tta import views as views_of
from grandmaster.prediction.view_choice import ViewChoice, choose_views
from grandmaster.prediction.views import MOST_VALUES, JoinedViews, ViewValues, views_path
from grandmaster.storage import write_json

Values = npt.NDArray[np.float32]
PLAIN = "oof_plain"


class Joined:
    """One model, joined over folds.

    Attributes:
        name: for people.
        members: its fits.
        ids: its out-of-fold pictures, in sorted order.
        choice: which of its views count; None: the mean over all.
    """

    def __init__(self, members: Sequence[Member], kinds: Sequence[str]) -> None:
        first = members[0]
        self.name = first.model.backbone + (f" ({first.variant})" if first.variant else "")
        self.members, self._kinds = members, kinds
        means = {
            kind: concatenate([Predictions.load(member.folder / f"{kind}.npz") for member in members])
            for kind in kinds
        }
        self.ids, self.outputs = means[kinds[0]].ids, means[kinds[0]].outputs
        self._means = {kind: found.values for kind, found in means.items()}
        self._of_part: dict[tuple[str, int | None], Values] = {}
        self.choice: ViewChoice | None = None

    def why_not_chosen(self, objective: Objective) -> str | None:
        """Why its views cannot be chosen, in a clause; None where they can."""
        files = [self._views(kind) for kind in self._kinds if kind != PLAIN]
        tests = [views_path(member.test) for member in self.members]
        if not all(path.exists() for path in [*(path for of_kind in files for path in of_kind), *tests]):
            return "there is one view, or more values than are kept of every view"
        if not objective.can_choose:
            return "there are too few groups of pictures to choose on some and try on others"
        return None

    def choose_views(self, objective: Objective, fitted_on: str) -> str | None:
        """Choose which views to average, by the pictures of `fitted_on`; or say why not."""
        why = self.why_not_chosen(objective)
        if why is not None:
            return why
        for kind in [fitted_on, *(kind for kind in self._kinds if kind not in (fitted_on, PLAIN))]:
            seen = JoinedViews([ViewValues.load(path) for path in self._views(kind)])
            assert seen.ids == self.ids, "views are of other pictures than their mean"
            if seen.views * len(seen.ids) * len(seen.outputs) > MOST_VALUES:
                return f"every view's values are more than {MOST_VALUES:,} numbers"
            if kind == fitted_on:
                self.choice = choose_views(seen, objective)
            assert self.choice is not None
            by_weights: dict[bytes, Values] = {}  # most parts choose alike
            for part in (None, *objective.parts):
                weights = self.choice.without(part)
                key = weights.tobytes()
                if key not in by_weights:
                    by_weights[key] = seen.averaged(weights)
                self._of_part[kind, part] = by_weights[key]
        return None

    def values(self, kind: str, part: int | None) -> Values:
        """(n, c) of all its pictures, by a choice of views in which `part` had no say; None: by that for test pictures."""
        of_all = self._of_part.get((kind, None), self._means[kind])
        return self._of_part.get((kind, part), of_all)

    def alone(self, kind: str) -> Values:
        """(n, c) of the pictures as they are, without other views; where that was not kept, as `values`."""
        if kind == "oof":
            return self._means[PLAIN]
        files = self._views(kind)
        if self.choice is None or not all(path.exists() for path in files):
            return self._means[kind]
        first = np.eye(1, self.choice.views)[0]
        return JoinedViews([ViewValues.load(path) for path in files]).averaged(first)

    def test(self) -> Predictions:
        """The mean over its fits."""
        if self.choice is None:
            return blend([Predictions.load(member.test) for member in self.members])
        weights = self.choice.without(None)
        return blend([ViewValues.load(views_path(member.test)).averaged(weights) for member in self.members])

    def _views(self, kind: str) -> list[Path]:
        return [views_path(member.folder / f"{kind}.npz") for member in self.members]


def objective_of(context: RunContext, ids: Sequence[str]) -> Objective:
    """The competition's metric over these training pictures."""
    frame = context.trainable
    place = frame.reset_index().set_index("id").loc[list(ids), "index"].to_numpy()
    known = frame.iloc[place]
    return Objective(
        context.competition,
        context.targets()[place],
        row_of=known["row"].to_numpy(object),
        folds=known["fold"].to_numpy(np.int64),
        groups=known["group"].to_numpy(object),
    )


def joined_mean(models: Sequence[Joined], objective: Objective, ids: Sequence[str], kind: str) -> Predictions:
    """The blend of out-of-fold predictions, every part by choices in which it had no say."""
    part_of = dict(zip(ids, objective.part.tolist(), strict=True))
    found = []
    for model in models:
        parts = np.array([part_of[picture_id] for picture_id in model.ids])
        values = np.empty((len(model.ids), len(model.outputs)), np.float32)
        for part in np.unique(parts):
            values[parts == part] = model.values(kind, int(part))[parts == part]
        found.append(Predictions(ids=model.ids, outputs=model.outputs, values=values))
    return blend_known(found)


def choose_views_of(
    context: RunContext, models: Sequence[Joined], objective: Objective, fitted_on: str, path: Path
) -> Path:
    """Choose every model's views -> `tta.json`, and the line of what that was worth."""
    place = {picture_id: row for row, picture_id in enumerate(sorted({i for m in models for i in m.ids}))}
    lines: list[dict[str, Any]] = []
    reasons = []
    for model in models:
        own = objective.of(np.array([place[picture_id] for picture_id in model.ids], np.int64))
        why = model.choose_views(own, fitted_on)
        choice = model.choice
        if why is not None or choice is None:
            reasons.append(f"{model.name}: {why}")
            lines.append({"model": model.name, "chosen": None, "why": f"the mean over all views, as {why}"})
            continue
        lines.append(
            {
                "model": model.name,
                "chosen": choice.name,
                "weights": dict(
                    zip(
                        [view.name for view in views_of(8)][: choice.views],
                        choice.weights.round(6).tolist(),
                        strict=True,
                    )
                ),
                "scores": choice.scores,
                "chosen_without_part": {part: name for part, (name, _) in choice.by_part.items()},
            }
        )
    metric = METRICS[context.competition.metric].title
    write_json(path, {"metric": metric, "chosen_on": fitted_on, "models": lines})
    chosen = [model for model in models if model.choice is not None]
    if not chosen:
        why = f"The mean over all views; nothing was chosen: {'; '.join(reasons)}."
        record(
            context,
            Technique(
                name="tta",
                title="Test-time augmentation",
                kept=context.plan.decisions.tta_views.value > 1,
                why=why,
                scored_on=scored_on(fitted_on),
            ),
        )
        return path
    judge = Judge(context)
    ids = tuple(place)
    before = blend_known(
        [Predictions(ids=m.ids, outputs=m.outputs, values=m.alone(fitted_on)) for m in models]
    )
    after = joined_mean(models, objective, ids, fitted_on)
    compared = judge.compare(before.aligned_to(ids), after.aligned_to(ids))
    names = [f"{model.name}: {model.choice.name}" for model in chosen if model.choice is not None]
    kept = any(model.choice.name != "picture alone" for model in chosen if model.choice is not None)
    record(
        context,
        Technique.of(
            compared,
            name="tta",
            title="Test-time augmentation",
            scored_on=scored_on(fitted_on),
            kept=kept,
            why=f"Views chosen for each model on other folds than those scored, against the pictures alone ({'; '.join(names)}).",
        ),
    )
    return path
