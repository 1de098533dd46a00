"""Ways of blending models: weights, ranks, or a model on top of models."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from grandmaster.competition.objective import Objective, Out
from grandmaster.competition.table import TargetKind
from grandmaster.prediction.weights import drawn_to_equal, equal, fitted_weights

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]

GREEDY_STEPS = 25
# How far fitted weights go back to equal ones, the farthest first: of equals it is taken.
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
# Inverse of the L2 penalty of a logistic regression on standardised log-probabilities; of a ridge, a row.
LOGISTIC_STRENGTH, RIDGE_STRENGTH = 0.1, 0.1
SMALLEST = 1e-6
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
class Stacked:
    """A linear model on the models' predictions.

    Attributes:
        predict: (m, n, c) -> (n, c).
    """

    predict: Callable[[Values], Values]
    weights: None = None

    def apply(self, members: Values) -> Values:
        """(m, n, c) -> (n, c)."""
        return self.predict(members)


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
    return f"{len(objective.targets):,} pictures with {outputs:,} outputs of {models} models take too long to fit"


def _stack(members: Values, objective: Objective, out: Out) -> Fitted:
    """Wolpert, Stacked Generalization (1992): logistic regression on log-probabilities, ridge on numbers, strong L2.

    The ridge corrects the mean by the models' deviations from it, so that its penalty draws to equal weights.
    """
    inside = objective.inside(out)
    learn = {"multiclass": _stack_classes, "multilabel": _stack_labels}
    fit = learn.get(objective.competition.kind, _stack_numbers)
    return Stacked(predict=fit(members[:, inside], objective.targets[inside]))


def _stack_classes(members: Values, truth: npt.NDArray[Any]) -> Callable[[Values], Values]:
    scale, classes = _scale(_logs(members)), members.shape[2]
    if len(np.unique(truth)) < 2:
        return lambda others: others.mean(axis=0)
    model = _logistic(_logs(members) / scale, truth)

    def predict(others: Values) -> Values:
        # A class that no picture bore keeps a chance as small as may be.
        found = np.full((others.shape[1], classes), SMALLEST)
        found[:, model.classes_] = model.predict_proba(_logs(others) / scale)
        return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)

    return predict


def _stack_labels(members: Values, truth: npt.NDArray[Any]) -> Callable[[Values], Values]:
    models: list[Any] = []
    for label in range(members.shape[2]):
        own = truth[:, label] > 0
        told = _logits(members[:, :, label])
        scale = _scale(told)
        models.append(None if own.all() or not own.any() else (_logistic(told / scale, own), scale))

    def predict(others: Values) -> Values:
        found = others.mean(axis=0)
        for label, fitted in enumerate(models):
            if fitted is not None:
                model, scale = fitted
                found[:, label] = model.predict_proba(_logits(others[:, :, label]) / scale)[:, 1]
        return found

    return predict


def _stack_numbers(members: Values, truth: npt.NDArray[Any]) -> Callable[[Values], Values]:
    models = []
    for target in range(members.shape[2]):
        mean, apart = _apart(members[:, :, target])
        scale = max(float(apart.std()), 1e-12)
        ridge = Ridge(alpha=RIDGE_STRENGTH * len(truth))
        models.append((ridge.fit(apart / scale, truth[:, target] - mean), scale))

    def predict(others: Values) -> Values:
        columns = []
        for target, (ridge, scale) in enumerate(models):
            mean, apart = _apart(others[:, :, target])
            columns.append(mean + ridge.predict(apart / scale))
        return np.stack(columns, axis=1).astype(np.float32)

    return predict


def _logistic(told: Floats, truth: npt.NDArray[Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # strong L2: the last digits do not matter
        return LogisticRegression(C=LOGISTIC_STRENGTH, max_iter=100, tol=1e-3).fit(told, truth)


def _logs(members: Values) -> Floats:
    """(m, n, c) probabilities -> (n, m c) logarithms about the mean of the classes."""
    logs = np.log(np.maximum(members.astype(np.float64), SMALLEST))
    logs -= logs.mean(axis=2, keepdims=True)
    return logs.transpose(1, 0, 2).reshape(members.shape[1], -1)


def _logits(chance: Values) -> Floats:
    """(m, n) -> (n, m)."""
    safe = np.clip(chance.astype(np.float64), SMALLEST, 1 - SMALLEST)
    logits: Floats = (np.log(safe) - np.log1p(-safe)).T
    return logits


def _apart(values: Values) -> tuple[Floats, Floats]:
    """(m, n) -> the mean (n,), and what each says beyond it (n, m)."""
    wide = values.astype(np.float64)
    mean = wide.mean(axis=0)
    return mean, (wide - mean).T


def _scale(told: Floats) -> float:
    return max(float(told.std()), 1e-12)


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
