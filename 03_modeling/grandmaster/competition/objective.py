"""The competition's metric over parts of the out-of-fold pictures: what choices are made by, and what they are scored on.

Whatever is chosen or fitted for a part of the pictures is chosen on the other parts. So everything here is asked for
"without" some parts; the score of a choice among candidates needs pictures without two (the part that is decided, and
the one on which a fitted candidate is tried).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupKFold

from grandmaster.competition import metric_formulas as formulas
from grandmaster.competition.compared import compared
from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metrics import METRICS, resample_weights
from grandmaster.competition.rows import Rows
from grandmaster.competition.rule_fitting import fit_rule, hands_in_decisions
from grandmaster.competition.table import Competition

Floats = npt.NDArray[np.float64]
Out = frozenset[int]
EVERYTHING: Out = frozenset()

# Two folds are cut in parts, so that a choice for one part can be tried on another; more folds than that are joined.
FEWEST_FOLDS, CUT_INTO, MOST_PARTS = 3, 4, 10
# A candidate takes the place of a simpler one only where this interval of its paired gain lies above 0: one standard
# error to either side (the one-standard-error rule of Breiman et al. 1984, section 3.4.3, on paired differences).
LEVEL, ROUNDS = 0.6827, 200
KEPT_WEIGHTS = 8_000_000


def parts_of(folds: npt.ArrayLike, groups: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Parts that are decided without each other: the folds, at most 10; with fewer than 3, four parts by group.

    Args:
        folds: (r,) of each row.
        groups: (r,) rows of one group stay together.

    Returns:
        (r,) from 0 on; a single part where there is one group only.
    """
    codes, names = pd.factorize(np.asarray(folds), sort=True)
    found: npt.NDArray[np.int64] = codes.astype(np.int64) % MOST_PARTS
    if len(names) >= FEWEST_FOLDS:
        return found
    wanted = CUT_INTO // len(names)
    known = np.asarray(groups)
    for fold in range(len(names)):
        inside = np.flatnonzero(codes == fold)
        count = min(wanted, len(np.unique(known[inside])))
        found[inside] = fold * wanted
        if count > 1:
            halves = GroupKFold(n_splits=count).split(inside, groups=known[inside])
            for number, (_, held) in enumerate(halves):
                found[inside[held]] = fold * wanted + number
    return found


class Objective:
    """Of n pictures that make up r rows.

    Args:
        competition: kind, metric, format.
        targets: of the pictures, as `Competition.targets`.
        row_of: (n,) name of each picture's row.
        folds, groups: (n,).
        parts: (n,) instead of `parts_of`: the same for pictures that only some models have.
        metric: instead of the competition's.
    """

    def __init__(
        self,
        competition: Competition,
        targets: npt.NDArray[Any],
        *,
        row_of: npt.NDArray[Any],
        folds: npt.NDArray[Any],
        groups: npt.NDArray[Any],
        parts: npt.NDArray[np.int64] | None = None,
        metric: str | None = None,
    ) -> None:
        self.competition, self.targets = competition, targets
        self.metric = METRICS[metric or competition.metric]
        self.fits_rule = (
            metric is None
            and competition.kind in ("multilabel", "ordinal")
            and hands_in_decisions(competition.submission_format)
        )
        self._given = {"row_of": row_of, "folds": folds, "groups": groups}
        self.rows = Rows.of(row_of)
        self.truth = self.rows.truth(competition.kind, targets)
        self.groups = self.rows.first(groups)
        self.part_of_row = (
            parts_of(self.rows.first(folds), self.groups) if parts is None else self.rows.first(parts)
        )
        self.part = self.part_of_row[self.rows.codes]
        self.parts = tuple(int(part) for part in np.unique(self.part))
        self._weights: tuple[Out, list[Floats]] | None = None

    @property
    def can_choose(self) -> bool:
        """Whether a choice for one part can be tried on at least two others."""
        return len(self.parts) >= 3

    def steering(self) -> Objective:
        """What a search looks at step by step: the metric, or where a rule would have to be fitted at every step, log
        loss (labels) or squared error (grades)."""
        if not self.fits_rule:
            return self
        name = "log_loss" if self.competition.kind == "multilabel" else "rmse"
        return Objective(self.competition, self.targets, **self._given, parts=self.part, metric=name)

    def of(self, places: npt.NDArray[Any]) -> Objective:
        """Of some of the pictures, whose rows are whole."""
        return Objective(
            self.competition,
            self.targets[places],
            **{name: known[places] for name, known in self._given.items()},
            parts=self.part[places],
        )

    def inside(self, out: Out) -> npt.NDArray[np.bool_]:
        """(n,) pictures of the other parts."""
        return ~np.isin(self.part, list(out))

    def scored(self, values: npt.NDArray[np.floating]) -> Scored:
        """Values of all pictures (n, c), ready to be scored without some parts."""
        return Scored(objective=self, values=self.rows.mean(values))

    def compared(
        self,
        rows: npt.NDArray[np.bool_],
        values: npt.NDArray[np.float32],
        decisions: npt.NDArray[np.generic] | None = None,
    ) -> tuple[Any, Any]:
        """Truth and values of some rows, or what was decided on those."""
        return compared(
            self.metric.name,
            self.truth[rows],
            values[rows],
            decisions=decisions,
            top_k=self.competition.top_k,
            positive=self.competition.positive_class,
        )

    def weights(self, out: Out, groups: int) -> list[Floats]:
        """Bootstrap weights (rounds, groups), the same for all candidates that are compared without `out`."""
        if self._weights is not None and self._weights[0] == out:
            return self._weights[1]
        found = list(resample_weights(groups, rounds=ROUNDS, seed=0))
        if ROUNDS * groups <= KEPT_WEIGHTS:
            self._weights = (out, found)
        return found

    def better(self, scored: Sequence[Scored], out: Out = EVERYTHING) -> int:
        """Place of the one to take, of candidates from simple to complex: a later one only where it gains beyond the
        uncertainty on what was taken so far."""
        taken, drawn = 0, scored[0].drawn(out)
        for place in range(1, len(scored)):
            other = scored[place].drawn(out)
            gain = other - drawn
            gain = gain[np.isfinite(gain)]
            if len(gain) and np.quantile(gain, (1 - LEVEL) / 2) > 1e-12:
                taken, drawn = place, other
        return taken


@dataclass(eq=False, kw_only=True)
class Scored:
    """Values of all rows, with what has been worked out of them.

    Attributes:
        values: float32 (r, c).
    """

    objective: Objective
    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        self._scores: dict[Out, float] = {}
        self._rules: dict[Out, DecisionRule] = {}
        self._sums: Floats | None = None

    def without(self, out: Out = EVERYTHING) -> float:
        """The metric over the other parts, its sign turned where lower is better."""
        if out not in self._scores:
            self._scores[out] = self._score(out)
        return self._scores[out]

    def slim(self) -> Scored:
        """Without the values, where sums of parts are all that `without` needs: there may be many of these."""
        if not self.objective.fits_rule and self.objective.metric.terms is not None:
            self.without()
            self.values = self.values[:0]
        return self

    def drawn(self, out: Out = EVERYTHING) -> Floats:
        """The same in every drawing of groups of the other parts, (rounds,); paired among values of one objective."""
        objective, metric = self.objective, self.objective.metric
        rows = ~np.isin(objective.part_of_row, list(out))
        said = objective.compared(rows, self.values, self._decided(out))
        codes, names = pd.factorize(objective.groups[rows])
        weights = objective.weights(out, len(names))
        if metric.terms is not None:
            terms = metric.terms(*said)
            if len(names) < len(codes):
                sums = np.zeros((len(names), terms.shape[1]))
                np.add.at(sums, codes, terms)
                terms = sums
            found = [metric.from_sums(block @ terms) for block in weights]
        else:
            assert metric.resampled is not None, f"{metric.name} cannot be resampled"
            found = [metric.resampled(*said, np.ascontiguousarray(block.T)[codes]) for block in weights]
        return self._sign * np.concatenate(found)

    @property
    def _sign(self) -> float:
        return 1.0 if self.objective.metric.higher_is_better else -1.0

    def _decided(self, out: Out) -> npt.NDArray[np.generic] | None:
        """Decisions on the rows of the other parts, on each by a rule of those left; None: there is no rule to fit.

        As `nested_decisions`, but what is fitted without two parts serves either of them.
        """
        objective = self.objective
        if not objective.fits_rule:
            return None
        decided: npt.NDArray[Any] | None = None
        for part in objective.parts:
            if part in out:
                continue
            inside = objective.part_of_row == part
            found = self._rule(out | {part}).decide(self.values[inside])
            if decided is None:
                decided = np.empty((len(self.values), *found.shape[1:]), found.dtype)
            decided[inside] = found
        assert decided is not None, "every part is left out"
        return decided[~np.isin(objective.part_of_row, list(out))]

    def _rule(self, out: Out) -> DecisionRule:
        objective = self.objective
        if out not in self._rules:
            rows = ~np.isin(objective.part_of_row, list(out))
            assert rows.any(), "a rule is nested in other parts than its own, and there are none"
            self._rules[out] = fit_rule(objective.competition, objective.truth[rows], self.values[rows])
        return self._rules[out]

    def _score(self, out: Out) -> float:
        objective, metric = self.objective, self.objective.metric
        rows = ~np.isin(objective.part_of_row, list(out))
        if objective.fits_rule or metric.terms is None:
            said = objective.compared(rows, self.values, self._decided(out))
            if metric.terms is None:
                assert metric.resampled is not None, f"{metric.name} cannot be resampled"
                return self._sign * float(metric.resampled(*said, np.ones((int(rows.sum()), 1)))[0])
            return self._sign * float(metric.from_sums(metric.terms(*said).sum(axis=0, keepdims=True))[0])
        if self._sums is None:
            self._sums = self._part_sums()
        kept = [place for place, part in enumerate(objective.parts) if part not in out]
        return self._sign * float(metric.from_sums(self._sums[kept].sum(axis=0, keepdims=True))[0])

    def _part_sums(self) -> Floats:
        """(parts, k) sums of the terms: of any parts together they are known then."""
        objective, metric = self.objective, self.objective.metric
        assert metric.terms is not None, f"{metric.name} has no terms"
        said = objective.compared(np.ones(len(self.values), np.bool_), self.values)
        place = np.searchsorted(objective.parts, objective.part_of_row)
        if metric.terms is formulas.label_terms and said[0].ndim == 1:
            # Counting is many times faster than a table of zeros and ones.
            classes = max(int(said[0].max()), int(said[1].max()), self.values.shape[1] - 1) + 1
            hit = said[0] == said[1]
            counts = [
                np.bincount(place[of] * classes + labels[of], minlength=len(objective.parts) * classes)
                for labels, of in ((said[0], hit), (said[0], slice(None)), (said[1], slice(None)))
            ]
            joined = [count.reshape(len(objective.parts), classes).astype(np.float64) for count in counts]
            return np.concatenate(joined, axis=1)
        terms = metric.terms(*said)
        return (np.arange(len(objective.parts))[:, None] == place) @ terms
