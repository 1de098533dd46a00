"""Two final submissions: the best by cross-validation, and a good one that differs most from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.rule_fitting import hands_in_decisions
from grandmaster.errors import UserError
from grandmaster.pipeline.finished import FinishedRun
from grandmaster.pipeline.outcome import read_rule
from grandmaster.pipeline.run_comparison import RunsCompared, compare_runs, require_same_competition


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A run that could be handed in.

    Attributes:
        score, low, high: by cross-validation, on pictures corrupted as the test set is where all runs have such.
        against_best: compared with the best on the same pictures; None: it is the best, or cannot be.
        good: not worse than the best, or within the tolerance.
        why: it is good, or not.
        differs: from the best on the test set, 0 to 1 (2 where ranks are reversed).
    """

    run: FinishedRun
    score: float
    low: float
    high: float
    against_best: RunsCompared | None
    good: bool
    why: str
    differs: float


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The two, and all that were looked at, the best first.

    Attributes:
        second: None where there is only one run.
        scored_on: "corrupted" or "clean" validation pictures.
        measure: what `differs` is.
    """

    best: Candidate
    second: Candidate | None
    candidates: tuple[Candidate, ...]
    scored_on: str
    measure: str
    reasons: tuple[str, ...]


def choose(runs: Sequence[FinishedRun], *, tolerance: float | None = None) -> Choice:
    """Choose two runs of one competition.

    Args:
        tolerance: in the metric's units: a run is good whose score is at most that much behind the best. None: a run is
            good unless it is worse by the rule of `comparison.compare`; where two runs cannot be compared on the same
            pictures, unless its score is outside the interval of the best.

    Raises:
        UserError: no run, or runs of other competitions or test sets.
    """
    if not runs:
        raise UserError("no finished run to choose from", fix="Train some; every run is a folder of its own.")
    for other in runs[1:]:
        require_same_competition(runs[0], other)
        if set(_test_ids(other)) != set(_test_ids(runs[0])):
            raise UserError(
                "the runs predict other test pictures",
                where=f"{runs[0].name}, {other.name}",
                fix="Choose among runs of one competition: name them.",
            )
    competition = runs[0].context.competition
    metric = METRICS[competition.metric]
    sign = 1.0 if metric.higher_is_better else -1.0
    scored_on = "corrupted" if all(_scores(run, "corrupted") for run in runs) else "clean"
    ordered = sorted(runs, key=lambda run: (-sign * _scores(run, scored_on)["score"], run.name))
    best = ordered[0]
    candidates = tuple(_candidate(run, best, scored_on, sign, tolerance) for run in ordered)
    decisions = hands_in_decisions(competition.submission_format)
    measure = (
        "share of test rows decided otherwise" if decisions else "1 - rank correlation of test predictions"
    )
    others = candidates[1:]
    good = [one for one in others if one.good and one.differs > 0]
    reasons = [
        f"{best.name}: the best by {scored_on} cross-validation, {metric.title} {candidates[0].score:.4f} "
        f"({candidates[0].low:.4f} to {candidates[0].high:.4f})."
    ]
    second = max(good, key=lambda one: one.differs) if good else None
    if second is not None:
        reasons.append(
            f"{second.run.name}: {second.why}, and of {len(good)} such it differs most from {best.name} "
            f"({measure}: {second.differs:.3f})."
        )
    elif others:
        second = others[0]
        reasons.append(
            f"{second.run.name}: next by cross-validation. No run is both good and different: {second.why}."
        )
    else:
        reasons.append("There is no other run: a second submission needs one that differs.")
    return Choice(
        best=candidates[0],
        second=second,
        candidates=candidates,
        scored_on=scored_on,
        measure=measure,
        reasons=tuple(reasons),
    )


def _candidate(
    run: FinishedRun, best: FinishedRun, scored_on: str, sign: float, tolerance: float | None
) -> Candidate:
    scores, of_best = _scores(run, scored_on), _scores(best, scored_on)
    compared, good, why = None, True, "it is the best"
    if run is not best:
        behind = sign * (of_best["score"] - scores["score"])
        try:
            compared = compare_runs([best], [run])
        except UserError as error:  # other folds, say: then only the scores can be compared
            inside = behind <= sign * (of_best["score"] - of_best["low" if sign > 0 else "high"])
            good = inside
            why = f"its score is {'' if inside else 'not '}inside the interval of the best, not paired: {error.what}"
        else:
            found = compared.deciding if scored_on == "corrupted" else compared.clean
            good = found.verdict != "worse"
            why = f"{'not shown to be ' if good else ''}worse than {best.name} ({found.gain:+.4f}, {found.low:+.4f} to {found.high:+.4f})"
        if tolerance is not None:
            good = behind <= tolerance
            why = f"{behind:.4f} behind the best, {'within' if good else 'beyond'} the tolerance of {tolerance:g}"
    return Candidate(
        run=run,
        score=scores["score"],
        low=scores["low"],
        high=scores["high"],
        against_best=compared,
        good=good,
        why=why,
        differs=difference(best, run),
    )


def difference(one: FinishedRun, other: FinishedRun) -> float:
    """How much two submissions differ: the share of rows decided otherwise, or 1 - the mean rank correlation."""
    competition = one.context.competition
    first, second = _test_values(one), _test_values(other)
    if hands_in_decisions(competition.submission_format):
        decided = [
            read_rule(run.context)[0].decide(values) for run, values in ((one, first), (other, second))
        ]
        return float((decided[0] != decided[1]).reshape(len(first), -1).any(axis=1).mean())
    if competition.submission_format == "ranked_labels":
        return float((first.argmax(axis=1) != second.argmax(axis=1)).mean())
    columns = range(first.shape[1])
    if competition.submission_format == "one_probability":
        columns = range(competition.positive_class, competition.positive_class + 1)
    ranks = [
        1.0
        if np.array_equal(first[:, column], second[:, column])
        else float(np.nan_to_num(stats.spearmanr(first[:, column], second[:, column]).statistic))
        for column in columns
        if np.ptp(first[:, column]) > 0 and np.ptp(second[:, column]) > 0
    ]
    return 1 - float(np.mean(ranks)) if ranks else 0.0


def _test_ids(run: FinishedRun) -> tuple[str, ...]:
    predictions = run.predictions("test")
    if predictions is None:
        raise UserError("the run has predicted no test pictures", where=run.folder, fix="Repeat its command.")
    return predictions.ids


def _test_values(run: FinishedRun) -> npt.NDArray[np.float32]:
    """Of the rows of the submission, in sorted order of their names."""
    predictions = run.predictions("test")
    assert predictions is not None, "it was looked for before"
    test = run.context.competition.test
    rows = predictions.mean_over(dict(zip(test["id"], test["row"], strict=True)))
    return rows.aligned_to(sorted(rows.ids)).values


def _scores(run: FinishedRun, kind: str) -> dict[str, float]:
    """Score with its interval, from the run's own results; empty where there is none."""
    key = {"corrupted": "corrupted_validation", "clean": "cross_validation"}[kind]
    found = run.results.get(key) or {}
    return found if found.get("score") is not None else {}
