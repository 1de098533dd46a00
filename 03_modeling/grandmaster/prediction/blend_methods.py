"""Ways of blending models: weights, ranks, or a model on top of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from grandmaster.competition.objective import Objective, Out
from grandmaster.competition.table import TargetKind
from grandmaster.prediction.stacking import fit_stacked
from grandmaster.prediction.weights import drawn_to_equal, equal, fitted_weights
from grandmaster.texts import counted

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]

GREEDY_STEPS = 25
# How far fitted weights go back to equal ones, the farthest first: of equals it is taken.
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
# rows x inputs x outputs of a logistic regression that is fitted in about two seconds.
MOST_STACKED = 50_000_000


class Fitted(Protocol):
    """A blend, ready to be applied."""

    @property
    def weights(self) -> Floats | None:
        """(m,) of the models; None: it is no weighted mean."""

    def apply(self, members: Values) -> Values:
        """(m, n, c) -> (n, c)."""


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """The weighted mean."""

    weights: Floats

    def apply(self, members: Values) -> Values:
        """(m, n, c) -> (n, c)."""
        return np.einsum("m,mnc->nc", self.weights, members).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class RankMean:
    """The mean of every column's ranks among the pictures it is applied to, from above 0 to below 1.

    Attributes:
        shares: rows are scaled to sum 1, as probabilities of classes have to.
    """

    shares: bool
    weights: None = None

    def apply(self, members: Values) -> Values:
        """(m, n, c) -> (n, c)."""
        ranks = np.mean([rankdata(values, axis=0) for values in members], axis=0) / (members.shape[1] + 1)
        if self.shares and ranks.shape[1] == 2:  # one order, seen from both ends
            return np.stack([1 - ranks[:, 1], ranks[:, 1]], axis=1).astype(np.float32)
        return (ranks / ranks.sum(axis=1, keepdims=True) if self.shares else ranks).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way.

    Attributes:
        title: for people.
        why_not: (objective, models) -> why it does not apply, in a clause; None where it does.
        fit: (members (m, n, c), objective, out) -> fitted on the pictures without the parts `out`.
    """

    title: str
    why_not: Callable[[Objective, int], str | None]
    fit: Callable[[Values, Objective, Out], Fitted]


def _always(objective: Objective, models: int) -> None:
    return None


def _mean(members: Values, objective: Objective, out: Out) -> Fitted:
    return Weighted(weights=equal(len(members)))


def _single(members: Values, objective: Objective, out: Out) -> Fitted:
    """The model that does best, as it is."""
    scores = [objective.scored(values).without(out) for values in members]
    return Weighted(
        weights=np.eye(len(members))[int(np.nanargmax(scores)) if np.isfinite(scores).any() else 0]
    )


def _not_ranked(objective: Objective, models: int) -> str | None:
    if objective.metric.name in ("roc_auc", "macro_roc_auc"):
        return None
    return f"{objective.metric.title} does not look at the order of the pictures alone"


def _ranks(members: Values, objective: Objective, out: Out) -> Fitted:
    return RankMean(shares=objective.competition.kind == "multiclass")


def _greedy(members: Values, objective: Objective, out: Out) -> Fitted:
    """Forward selection with replacement, the best single model first, of every step's blend the best.

    Caruana, Niculescu-Mizil, Crew & Ksikes, Ensemble Selection from Libraries of Models (ICML 2004).
    """
    counts = np.zeros(len(members))
    total = np.zeros(members.shape[1:], np.float32)
    best, best_counts = -np.inf, counts
    for step in range(1, GREEDY_STEPS + 1):
        scores = [objective.scored((total + values) / step).without(out) for values in members]
        chosen = int(np.nanargmax(scores)) if np.isfinite(scores).any() else 0
        counts, total = counts + np.eye(len(members))[chosen], total + members[chosen]
        if scores[chosen] > best + 1e-12:
            best, best_counts = scores[chosen], counts
    return Weighted(weights=best_counts / best_counts.sum() if best_counts.any() else equal(len(members)))


def _shrunk(members: Values, objective: Objective, out: Out) -> Fitted:
    """Weights of least loss, drawn to equal ones as far as does best on pictures that they were not fitted on."""
    kind, targets = objective.competition.kind, objective.targets

    def least(parts: Out) -> Floats:
        inside = objective.inside(parts)
        return fitted_weights(kind, targets[inside], members[:, inside])

    others = [part for part in objective.parts if part not in out]
    if len(others) < 2:
        return Weighted(weights=equal(len(members)))
    blends = np.zeros((len(SHARES), *members.shape[1:]), np.float32)
    for part in others:
        found, inside = least(out | {part}), objective.part == part
        for blend, share in zip(blends, SHARES, strict=True):
            blend[inside] = np.einsum("m,mnc->nc", drawn_to_equal(found, share), members[:, inside])
    inside = np.isin(objective.part, list(out))
    blends[:, inside] = members[:, inside].mean(axis=0)  # not scored, but has to be predictions
    scores = [objective.scored(blend).without(out) for blend in blends]
    share = SHARES[int(np.nanargmax(scores))] if np.isfinite(scores).any() else 1.0
    return Weighted(weights=drawn_to_equal(least(out), share))


def _not_stacked(objective: Objective, models: int) -> str | None:
    outputs = len(objective.competition.outputs)
    inputs = models * (outputs if objective.competition.kind == "multiclass" else 1)
    if len(objective.targets) * inputs * outputs <= MOST_STACKED:
        return None
    return f"{len(objective.targets):,} pictures with {counted(outputs, 'output')} of {counted(models, 'model')} take too long to fit"


def _stack(members: Values, objective: Objective, out: Out) -> Fitted:
    inside = objective.inside(out)
    return fit_stacked(objective.competition.kind, members[:, inside], objective.targets[inside])


# From simple to complex: of equals the first is taken.
METHODS: dict[str, Method] = {
    "mean": Method(title="mean", why_not=_always, fit=_mean),
    "best_single": Method(title="best single model", why_not=_always, fit=_single),
    "rank_mean": Method(title="mean of ranks", why_not=_not_ranked, fit=_ranks),
    "shrunk": Method(title="weights drawn to equal", why_not=_always, fit=_shrunk),
    "greedy": Method(title="greedy selection", why_not=_always, fit=_greedy),
    "stacking": Method(title="stacking", why_not=_not_stacked, fit=_stack),
}


def kind_of_values(kind: TargetKind) -> str:
    """What is blended, for people."""
    return "values" if kind in ("ordinal", "regression") else "probabilities"
