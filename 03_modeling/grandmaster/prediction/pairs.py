"""Two classes that are taken for each other: which they are, and how what a blend gives both is shared anew."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]
Pair = tuple[int, int]
"""Indices of two classes, the smaller first."""

FEWEST_MISTAKES = 2
"""Fewer may be two odd pictures, from which nothing can be chosen."""
PENALTY = 1.0
"""L2, of the mean loss, on standardised features: a model tells its own training pictures apart nearly without error, so a
weak one would only say the same as the model's head, surer."""


def pair_name(pair: Pair) -> str:
    """As files call it."""
    return f"{pair[0]}-{pair[1]}"


def top_two(values: Values) -> npt.NDArray[np.int64]:
    """Of (n, c) values the two likeliest classes (n, 2), the smaller index first; of equals the classes that come first."""
    return np.sort(np.argsort(-values, axis=1, kind="stable")[:, :2], axis=1)


def confused_pairs(truth: npt.NDArray[np.integer], values: Values, most: int) -> tuple[Pair, ...]:
    """The pairs of classes with the most mistakes that telling them apart would mend, at most `most`.

    Such a mistake is a picture whose class is its second likeliest; what lies farther off no specialist for a pair brings
    back. Both directions count together; of equals the pair of the first classes.

    Args:
        truth: (n,) classes.
        values: (n, c) probabilities.
    """
    two, likeliest = top_two(values), values.argmax(axis=1)
    mended = (likeliest != truth) & (two == truth[:, None]).any(axis=1)
    pairs, counts = np.unique(two[mended], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return tuple(
        (int(pairs[place][0]), int(pairs[place][1])) for place in order if counts[place] >= FEWEST_MISTAKES
    )


def fit_pair(
    features: npt.NDArray[np.floating],
    is_first: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.floating],
    *,
    balanced: bool,
) -> tuple[Floats, float] | None:
    """A logistic regression of "the first class of the pair, not the second".

    Args:
        features: (n, d).
        is_first: (n,).
        weights: (n,) how much each counts, 0 or more.
        balanced: both classes count the same in all, however many pictures they have.

    Returns:
        Weights (d,) and bias on the features as they are; None where one class has no pictures.
    """
    totals = [float(weights[is_first == side].sum()) for side in (True, False)]
    if min(totals) <= 0:
        return None
    counted = np.asarray(weights, np.float64)
    if balanced:
        counted = counted / np.where(is_first, *totals)
    counted = counted / counted.sum()
    wide = np.asarray(features, np.float64)
    mean = counted @ wide
    std = np.sqrt(counted @ (wide - mean) ** 2)
    std = np.where(std > 1e-6, std, 1.0)
    # scikit-learn adds losses up; with weights of sum 1 they are a mean.
    model = LogisticRegression(C=1 / PENALTY, max_iter=500, tol=1e-5)
    model.fit((wide - mean) / std, is_first, sample_weight=counted)
    slope = model.coef_[0] / std
    return slope, float(model.intercept_[0] - slope @ mean)


def resplit(values: Values, chances: Mapping[Pair, npt.NDArray[np.floating]], weight: float) -> Values:
    """Where the two likeliest classes are one of the pairs, what both have is shared between them anew.

    Args:
        values: (n, c) probabilities.
        chances: (n,) of each pair: the first class, if it is one of the two; nan where nobody says.
        weight: of that; the rest is the share that the first class has of both. 0: nothing changes.

    Returns:
        (n, c) with the sums of the rows as they were.
    """
    found = values.copy()
    two = top_two(values)
    for pair, chance in chances.items():
        rows = np.flatnonzero((two == pair).all(axis=1) & np.isfinite(chance))
        both = values[rows][:, pair].sum(axis=1, dtype=np.float64)
        own = values[rows, pair[0]] / np.maximum(both, 1e-12)
        share = (1 - weight) * own + weight * chance[rows]
        if weight > 0:
            found[rows, pair[0]] = share * both
            found[rows, pair[1]] = (1 - share) * both
    return found
