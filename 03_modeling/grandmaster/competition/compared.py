"""What a metric compares: truth and predictions, checked and decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.decisions import DecisionRule
from grandmaster.competition.metric_table import METRICS, Metric, why_not
from grandmaster.competition.table import TargetKind

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


def compared(
    metric: str,
    truth: npt.ArrayLike,
    values: npt.ArrayLike,
    rule: DecisionRule | None = None,
    *,
    decisions: npt.ArrayLike | None = None,
    top_k: int = 1,
    positive: int = 1,
) -> tuple[Array, Array]:
    """What the formulas of a `Metric` take: truth and predictions, checked and decided.

    Args:
        metric, truth, values, rule, decisions, top_k, positive: as `metrics.score`.

    Raises:
        ValueError: as `metrics.score`.
    """
    entry = METRICS[metric]
    known, said = checked(truth, values)
    kind = _kind(entry, known, rule, decisions)
    problem = why_not(metric, kind, said.shape[1])
    if problem is not None:
        raise ValueError(problem)
    if kind == "multilabel" and not np.isin(known, (0.0, 1.0)).all():
        raise ValueError("the truth of independent labels must be 0 or 1")
    if entry.takes == "decisions":
        return _decided(kind, known, said, rule, decisions)
    if kind == "regression":
        if decisions is None and rule is not None and rule.name == "cut_points":
            decisions = rule.decide(said)
        return known, said if decisions is None else np.asarray(decisions, np.float64).reshape(known.shape)
    no_chance = kind == "multiclass" and (said.sum(axis=1) <= 0).any()
    if (said < 0).any() or no_chance or (kind == "multilabel" and (said > 1).any()):
        raise ValueError("probabilities must not be negative nor above 1, and no row all zero")
    if entry.takes == "positive":
        return (known == positive)[:, None], said[:, [positive]]
    if entry.takes == "ranking":
        return _credit(known, said, top_k), said
    return known, said


def _kind(
    entry: Metric, truth: Array, rule: DecisionRule | None, decisions: npt.ArrayLike | None
) -> TargetKind:
    """What the truth must be, from its form and what it is compared with."""
    if truth.ndim == 1:
        return "multiclass"
    if "regression" in entry.kinds:
        return "regression"
    sets = rule is not None and rule.name == "thresholds" if decisions is None else np.ndim(decisions) == 2
    return "ordinal" if "ordinal" in entry.kinds and truth.shape[1] == 1 and not sets else "multilabel"


def _decided(
    kind: TargetKind,
    truth: Array,
    values: Floats,
    rule: DecisionRule | None,
    decisions: npt.ArrayLike | None,
) -> tuple[Array, Array]:
    """Two int64 (n,), or two bool (n, c) for label sets."""
    if decisions is not None:
        decided = np.asarray(decisions)
    elif rule is not None and rule.name != "none":
        decided = rule.decide(values)
    elif kind == "multiclass":
        decided = values.argmax(axis=1)
    else:
        decided = values >= 0.5 if kind == "multilabel" else np.floor(values[:, 0] + 0.5).clip(0)
    if kind == "multilabel":
        return truth > 0, decided.astype(bool)
    grades = truth if kind == "multiclass" else truth[:, 0]
    if (grades < 0).any() or (grades != np.floor(grades)).any():
        raise ValueError("grades must be whole numbers from 0 on")
    return grades.astype(np.int64), decided.astype(np.int64)


def _credit(truth: Labels, values: Floats, top_k: int) -> Floats:
    """1 / rank of the true class, 0 beyond `top_k`; of equal values the class that comes first ranks higher."""
    own = values[np.arange(len(truth)), truth][:, None]
    before = np.arange(values.shape[1]) < truth[:, None]
    rank = 1 + ((values > own) | ((values == own) & before)).sum(axis=1)
    credit: Floats = np.where(rank <= top_k, 1 / rank, 0.0)
    return credit


def checked(truth: npt.ArrayLike, values: npt.ArrayLike) -> tuple[Array, Floats]:
    """Truth and values as arrays of the right form.

    Raises:
        ValueError: as `metrics.score`.
    """
    known, said = np.asarray(truth), np.asarray(values, dtype=np.float64)
    if said.ndim != 2 or known.shape[:1] != said.shape[:1] or (known.ndim == 2 and known.shape != said.shape):
        raise ValueError(f"labels of shape {known.shape} do not fit probabilities of shape {said.shape}")
    if not len(known):
        raise ValueError("there is nothing to score")
    if not np.isfinite(said).all():
        raise ValueError(f"row {int((~np.isfinite(said)).any(axis=1).argmax())} is not finite")
    if known.ndim == 2:
        known = known.astype(np.float64)
        if not np.isfinite(known).all():
            raise ValueError(f"the truth of row {int((~np.isfinite(known)).any(axis=1).argmax())} is missing")
        return known, said
    if not np.issubdtype(known.dtype, np.integer):
        raise ValueError(f"labels must be whole numbers, not {known.dtype}")
    outside = (known < 0) | (known >= said.shape[1])
    if outside.any():
        raise ValueError(
            f"label {known[outside][0]} is outside the {said.shape[1]} classes (row {outside.argmax()})"
        )
    return known, said
