"""Is one run better than another? Joined by id, on the same pictures in the same folds, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grandmaster.competition.comparison import Comparison, verdict_sentence
from grandmaster.competition.verdict import ENGLISH, Note
from grandmaster.errors import UserError
from grandmaster.language import Speaker
from grandmaster.pipeline.finished import FinishedRun
from grandmaster.pipeline.judging import Judge


@dataclass(frozen=True, kw_only=True)
class RunsCompared:
    """Two runs, or two recipes of several runs each with other seeds.

    Attributes:
        first, second: their names.
        clean, corrupted: of the validation pictures as they are, and corrupted as the test set is; the latter None
            where not all have such, or they were corrupted otherwise.
        rows: rows that both have out-of-fold predictions of.
        notes: what has to be said beside.
    """

    first: str
    second: str
    clean: Comparison
    corrupted: Comparison | None
    rows: int
    notes: tuple[Note, ...]

    @property
    def deciding(self) -> Comparison:
        """The one that foretells the board: corrupted where there is one."""
        return self.corrupted or self.clean

    @property
    def sentence(self) -> str:
        """For people."""
        return self.sentence_in(ENGLISH)

    def sentence_in(self, say: Speaker) -> str:
        """The same, in another language."""
        return verdict_sentence(self.clean, self.corrupted, self.first, self.second, say)


def compare_runs(first: Sequence[FinishedRun], second: Sequence[FinishedRun]) -> RunsCompared:
    """Whether the second is better than the first; each a run, or runs of one recipe with several seeds.

    Raises:
        UserError: other data, metric or folds, other numbers of runs, or no picture that all have predicted.
    """
    if len(first) != len(second) or not first:
        raise UserError(
            f"{len(first)} runs against {len(second)}",
            where="compare_runs",
            fix="Seeds are paired in order: give as many of one recipe as of the other.",
        )
    runs = [*first, *second]
    for other in runs[1:]:
        require_same(runs[0], other)
    clean, rows = _compared(first, second, "oof")
    notes = []
    trained = [sorted(_folds_of(run)) for run in runs]
    if any(folds != trained[0] for folds in trained):
        common = sorted(set.intersection(*(set(folds) for folds in trained)))
        notes.append(Note.of("beside.folds", folds=", ".join(map(str, common))))
    corrupted = None
    if all(run.predictions("oof_corrupted") is not None for run in runs):
        if any(run.context.plan.corruption != runs[0].context.plan.corruption for run in runs):
            notes.append(Note.of("beside.other_corruption"))
        else:
            corrupted, _ = _compared(first, second, "oof_corrupted")
            if len({run.context.config.training.seed for run in (first[0], second[0])}) > 1:
                notes.append(Note.of("beside.other_draws"))
    return RunsCompared(
        first=" + ".join(run.name for run in first),
        second=" + ".join(run.name for run in second),
        clean=clean,
        corrupted=corrupted,
        rows=rows,
        notes=tuple(notes),
    )


def require_same(first: FinishedRun, second: FinishedRun) -> None:
    """Refuse two runs that were not validated on the same pictures with the same truth.

    Raises:
        UserError: says what differs.
    """
    require_same_competition(first, second)
    one, other = (run.context.folds.set_index("id") for run in (first, second))
    where = f"{first.name}, {second.name}"
    if len(one) != len(other) or set(one.index) != set(other.index):
        raise UserError(
            f"the runs have other training pictures: {len(one):,} and {len(other):,}",
            where=where,
            fix="Compare runs of the same data; label fixes that drop pictures make other data.",
        )
    moved = int((one["fold"] != other["fold"].loc[one.index]).sum())
    if moved:
        raise UserError(
            f"the runs have other folds: {moved:,} of {len(one):,} pictures are validated elsewhere",
            where=where,
            fix="Train one of them again with the folds.count and folds.seed of the other (they are in its config.json).",
        )
    frame, beside = first.context.trainable, second.context.trainable
    common = sorted(set(frame["id"]) & set(beside["id"]))
    truth, known = (
        run.context.targets()[table.reset_index().set_index("id").loc[common, "index"].to_numpy()]
        for run, table in ((first, frame), (second, beside))
    )
    changed = int((truth != known).reshape(len(common), -1).any(axis=1).sum())
    if changed:
        raise UserError(
            f"the runs have other labels: {changed:,} of {len(common):,} pictures",
            where=where,
            fix="Train both with the same label fixes.",
        )


def require_same_competition(first: FinishedRun, second: FinishedRun) -> None:
    """Refuse two runs whose submissions do not answer the same question.

    Raises:
        UserError: says what differs.
    """
    one, other = first.context.competition, second.context.competition
    for what, before, after in (
        ("metrics", one.metric, other.metric),
        ("kinds of target", one.kind, other.kind),
        ("classes or targets", one.outputs, other.outputs),
        ("numbers of answers that count", one.top_k, other.top_k),
    ):
        if before != after:
            raise UserError(
                f"the runs have other {what}: {before} and {after}",
                where=f"{first.name}, {second.name}",
                fix="Compare runs of one competition, scored alike.",
            )


def _folds_of(run: FinishedRun) -> set[int]:
    predictions = run.predictions("oof")
    assert predictions is not None, "it is finished"
    return set(np.unique(Judge(run.context).rows(predictions).folds).tolist())


def _compared(
    first: Sequence[FinishedRun], second: Sequence[FinishedRun], kind: str
) -> tuple[Comparison, int]:
    """Over the pictures that every run has predicted."""
    loaded = [[run.predictions(kind) for run in side] for side in (first, second)]
    sides = [[one for one in side if one is not None] for side in loaded]
    known = set.intersection(*(set(one.ids) for side in sides for one in side))
    if not known:
        raise UserError(
            "the runs have trained no fold in common",
            where=", ".join(run.name for run in (*first, *second)),
            fix="Train a fold of both: --folds.",
        )
    ids = sorted(known)
    judge = Judge(first[0].context)
    pairs = [
        (run.name, before.aligned_to(ids), after.aligned_to(ids))
        for run, before, after in zip(first, *sides, strict=True)
    ]
    return judge.compare_seeds(pairs), len(judge.rows(pairs[0][1]).values)
