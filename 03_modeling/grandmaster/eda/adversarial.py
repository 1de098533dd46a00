"""Adversarial validation: can a classifier tell training pictures from test pictures, and by what?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Table = npt.NDArray[np.floating]

FOLDS = 5
TREES = 200
CERTAIN_DECIMALS = 9  # of a mean over trees, whatever the order of adding
_NORMAL_95 = 1.959964
_COMPONENTS = 64  # of embeddings: enough for what is common to many pictures


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How well two sets of pictures are told apart, out of fold.

    Attributes:
        auc: area under the ROC curve; 0.5: not at all, 1: always.
        low, high: its 95 % interval.
        first, second: probability of each picture of the two sets to belong to the second, out of fold.
        telling: (name, share of the trees' impurity decrease, effect) of the columns that tell them apart, the most
            telling first; the effect is the difference of the medians, second minus first, in pooled quartile ranges
            (where that range is 0: in 1.349 pooled standard deviations, which is the same for normal numbers).
    """

    auc: float
    low: float
    high: float
    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    telling: tuple[tuple[str, float, float], ...] = ()


def separate(
    first: Table, second: Table, names: Sequence[str], *, seed: int = 0, threads: int = 1, most: int = 8
) -> Separation:
    """Tell two tables apart by extremely randomised trees (Geurts et al. 2006), 5-fold; the interval is Hanley and McNeil's (Radiology 1982).


    Args:
        first, second: (n, k) and (m, k), a row a picture.
        names: k columns.
        threads: forests fitted at once; changes nothing but the time.
        most: columns named in `telling`; 0: none are looked for, which saves one forest of six.

    Raises:
        ValueError: fewer than 2 * `FOLDS` rows in a table.
    """
    rows, truth = _stacked(first, second)
    trees = ExtraTreesClassifier(TREES, min_samples_leaf=3, max_features=0.3, random_state=seed)
    found = _judged(trees, rows, truth, seed, threads)
    if most == 0:
        return found
    importances = trees.set_params(n_jobs=threads).fit(rows, truth).feature_importances_
    telling = tuple(
        (names[column], float(importances[column]), _effect(first[:, column], second[:, column]))
        for column in np.argsort(-importances, kind="stable")[:most]
    )
    return replace(found, telling=telling)


def separate_embeddings(first: Table, second: Table, *, seed: int = 0) -> Separation:
    """Tell two tables of embeddings apart by logistic regression on their first principal components, 5-fold; the interval is Hanley and McNeil's (Radiology 1982).

    Raises:
        ValueError: fewer than 2 * `FOLDS` rows in a table.
    """
    rows, truth = _stacked(first, second)
    model = make_pipeline(
        StandardScaler(),
        PCA(min(_COMPONENTS, rows.shape[1], len(rows) // 2), random_state=seed),
        StandardScaler(),
        LogisticRegression(C=0.1, max_iter=2000),
    )
    return _judged(model, rows, truth, seed)


def auc_interval(auc: float, first: int, second: int) -> tuple[float, float]:
    """95 % interval of an AUC over this many pictures of each set (Hanley & McNeil, Radiology 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (second - 1) * (q1 - auc**2) + (first - 1) * (q2 - auc**2)
    spread = _NORMAL_95 * math.sqrt(max(variance, 0.0) / (first * second))
    return max(0.0, auc - spread), min(1.0, auc + spread)


def _stacked(first: Table, second: Table) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    if min(len(first), len(second)) < 2 * FOLDS:
        raise ValueError(f"{len(first)} and {len(second)} pictures are too few to tell apart")
    rows = np.concatenate([first, second]).astype(np.float32)
    return rows, np.repeat(np.array([0, 1]), [len(first), len(second)])


def unseen_chances(
    model: Any, rows: Table, truth: npt.NDArray[np.int64], *, seed: int, threads: int = 1
) -> npt.NDArray[np.float64]:
    """Chance of 1 for each row, (n,), by a model that was fitted on the other `FOLDS` - 1 parts.

    The folds are fitted side by side, each on one thread: a forest that shares out its trees waits longer for its threads
    than it computes, being so small.
    """
    splits = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, truth))

    def one(split: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]) -> npt.NDArray[np.float64]:
        learnt, unseen = split
        fitted = clone(model).fit(rows[learnt], truth[learnt])
        return np.asarray(fitted.predict_proba(rows[unseen])[:, 1])

    chances = np.empty(len(rows))
    with ThreadPoolExecutor(threads) as pool:
        for (_, unseen), found in zip(splits, pool.map(one, splits), strict=True):
            chances[unseen] = found
    # In this many places sums agree in whatever order they were added up; more would break ties now this way, now that.
    return np.round(chances, CERTAIN_DECIMALS)


def _judged(model: Any, rows: Table, truth: npt.NDArray[np.int64], seed: int, threads: int = 1) -> Separation:
    chances = unseen_chances(model, rows, truth, seed=seed, threads=threads)
    auc = float(roc_auc_score(truth, chances))
    number = int((truth == 0).sum())
    low, high = auc_interval(auc, number, len(truth) - number)
    return Separation(auc=auc, low=low, high=high, first=chances[:number], second=chances[number:])


def _effect(first: Table, second: Table) -> float:
    both = np.concatenate([first, second]).astype(np.float64)
    spread = float(np.subtract(*np.percentile(both, (75, 25)))) or 1.349 * float(both.std())
    return float((np.median(second) - np.median(first)) / max(spread, 1e-6))
