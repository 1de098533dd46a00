"""What predictions of training pictures are worth: by the competition's metric, row by row, nothing fitted on what it scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.comparison import Comparison, Pair, compare
from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metrics import METRICS, bootstrap_interval, left_out, score
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.rows import Rows
from grandmaster.competition.rule_fitting import fit_rule, hands_in_decisions, nested_decisions
from grandmaster.pipeline.context import RunContext


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Predictions beside the truth, one row for each row of a submission.

    Attributes:
        truth: as `Competition.targets`, of r rows.
        values: float32 (r, outputs); the mean of a row's pictures.
        folds, groups: (r,).
    """

    truth: npt.NDArray[Any]
    values: npt.NDArray[np.float32]
    folds: npt.NDArray[np.int64]
    groups: npt.NDArray[Any]


class Judge:
    """Scores out-of-fold predictions of one run.

    Where decisions are handed in and have a rule to be fitted, those of a fold come from a rule fitted on the other
    folds (see `nested_decisions`), so that the score is that of a rule meeting new pictures.

    Attributes:
        metric: a key of `METRICS`.
        how: further arguments of `metrics.score`.
    """

    def __init__(self, context: RunContext) -> None:
        self._context, self._competition = context, context.competition
        self.metric = context.competition.metric
        self.how: dict[str, Any] = {
            "top_k": self._competition.top_k,
            "positive": self._competition.positive_class,
        }

    def rows(self, predictions: Predictions) -> Judged:
        """Predictions of pictures joined with their truth, by id, and gathered to rows."""
        frame = self._context.trainable
        place = frame.reset_index().set_index("id").loc[list(predictions.ids), "index"].to_numpy()
        known = frame.iloc[place]
        rows = Rows.of(known["row"].to_numpy(object))
        return Judged(
            truth=rows.truth(self._competition.kind, self._context.targets()[place]),
            values=rows.mean(predictions.values),
            folds=rows.first(known["fold"].to_numpy(np.int64)),
            groups=rows.first(known["group"].to_numpy(object)),
        )

    def rule(self, predictions: Predictions) -> DecisionRule:
        """The rule for test pictures, fitted on all of these."""
        judged = self.rows(predictions)
        return fit_rule(self._competition, judged.truth, judged.values)

    def score(self, predictions: Predictions) -> float:
        """The competition's metric."""
        judged = self.rows(predictions)
        return score(
            self._competition.metric,
            judged.truth,
            judged.values,
            decisions=self.decisions(judged),
            **self.how,
        )

    def interval(self, predictions: Predictions) -> dict[str, float]:
        """The metric with its bootstrap interval: score, low, high, level."""
        judged, settings = self.rows(predictions), self._context.config.ensemble
        found = bootstrap_interval(
            self._competition.metric,
            judged.truth,
            judged.values,
            decisions=self.decisions(judged),
            groups=judged.groups,
            rounds=settings.bootstrap_rounds,
            level=settings.interval_level,
            **self.how,
        )
        return {"score": found.value, "low": found.low, "high": found.high, "level": found.level}

    def compare(self, first: Predictions, second: Predictions) -> Comparison:
        """Whether the second is better than the first on the same pictures: see `comparison.compare`."""
        return self.compare_seeds([("", first, second)])

    def compare_seeds(self, pairs: Sequence[tuple[str, Predictions, Predictions]]) -> Comparison:
        """The same for several seeds at once: (name of the seed, first, second), all of the same pictures.

        Decisions of both sides are nested, as in `score`.
        """
        ids, settings = pairs[0][1].ids, self._context.config.ensemble
        known = self.rows(pairs[0][1])

        def side(predictions: Predictions) -> tuple[npt.NDArray[np.float32], Any]:
            judged = self.rows(predictions.aligned_to(ids))
            return judged.values, self.decisions(judged)

        found = []
        for name, before, after in pairs:
            (first, of_first), (second, of_second) = side(before), side(after)
            found.append(Pair(first=first, second=second, decisions=(of_first, of_second), name=name))
        return compare(
            self._competition.metric,
            known.truth,
            found,
            groups=known.groups,
            folds=known.folds,
            trainable=self._context.trainable["row"].nunique(),
            rounds=settings.bootstrap_rounds,
            level=settings.interval_level,
            **self.how,
        )

    def gain(self, first: Predictions, second: Predictions) -> dict[str, float]:
        """By how much the second is better than the first on the same pictures, paired: score, low, high, level."""
        return self.compare(first, second).interval

    def baseline(self, predictions: Predictions) -> dict[str, Any]:
        """Name and score of the best answer that looks at no picture."""
        name, answer = self._constant(self.rows(predictions).truth)
        same = np.tile(answer.astype(np.float32), (len(predictions.ids), 1))
        constant = Predictions(ids=predictions.ids, outputs=predictions.outputs, values=same)
        return {"name": name, "score": self.score(constant)}

    def left_out(self, predictions: Predictions) -> tuple[str, ...]:
        """Outputs that the metric cannot judge here and leaves out of its mean."""
        return left_out(self._competition.metric, self.rows(predictions).truth, predictions.outputs)

    def decisions(self, judged: Judged) -> npt.NDArray[np.generic] | None:
        """Nested, where they have a rule to be fitted; None: the metric decides by the plain rule, where it has to."""
        competition = self._competition
        if competition.kind not in ("multilabel", "ordinal") or not hands_in_decisions(
            competition.submission_format
        ):
            return None

        def fit(rows: npt.NDArray[np.intp]) -> DecisionRule:
            return fit_rule(competition, judged.truth[rows], judged.values[rows])

        return nested_decisions(fit, judged.values, judged.folds, judged.groups)

    def _constant(self, truth: npt.NDArray[Any]) -> tuple[str, npt.NDArray[np.floating]]:
        kind, metric = self._competition.kind, METRICS[self._competition.metric]
        if kind == "multiclass":
            return "majority class", class_shares(truth, len(self._competition.outputs))
        if kind == "multilabel":
            return "label shares", truth.mean(axis=0)
        if metric.name == "rmse":
            return "mean", truth.mean(axis=0)
        if metric.needs_labels_only and metric.name != "quadratic_weighted_kappa":
            return "commonest grade", np.array([np.bincount(truth[:, 0].astype(int)).argmax()], np.float64)
        return "median", np.median(truth, axis=0)


def class_shares(labels: npt.NDArray[Any], classes: int) -> npt.NDArray[np.float64]:
    """Share of every class, (classes,)."""
    return np.bincount(labels, minlength=classes) / len(labels)


def mean_target(context: RunContext) -> npt.NDArray[np.float32]:
    """(outputs,) what an unreadable test picture is predicted to be: the shares of the classes, or the mean target."""
    targets = context.targets()
    if context.competition.kind == "multiclass":
        return class_shares(targets, len(context.competition.outputs)).astype(np.float32)
    return targets.astype(np.float64).mean(axis=0).astype(np.float32)
