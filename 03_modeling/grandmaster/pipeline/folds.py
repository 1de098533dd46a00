"""Who is validated where: decided once, from sorted ids and a seed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold  # type: ignore[import-untyped]
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from grandmaster.competition.table import TargetKind
from grandmaster.errors import UserError

ALWAYS_TRAINED = -1
MOST_BINS = 10
"""Quantile bins that stratify a regression target."""

Whole = npt.NDArray[np.int64]
# Rows that are validated, the fold of each, and warnings.
Split = tuple[Whole, Whole, list[str]]


def make_folds(
    train: pd.DataFrame,
    duplicate_groups: Sequence[Sequence[str]],
    *,
    count: int,
    seed: int,
    kind: TargetKind = "multiclass",
    targets: npt.NDArray[Any] | None = None,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Split into folds, stratified by target; near-duplicates, and pictures of one group or one row, together.

    Multiclass by class, ordinal by grade, regression by quantile bins: scikit-learn's StratifiedGroupKFold. Multilabel
    by all labels at once: iterative stratification (Sechidis et al. 2011, package iterative-stratification) of groups,
    a group having the labels that any of its pictures has.

    A class or label that lives in one group only could never be both trained and validated: its pictures get fold -1
    and are always trained on, never validated.

    Args:
        train: columns `id`, and `label` where `targets` is None; `group` and `row` where the competition has them.
        duplicate_groups: ids that must not be separated.
        count: folds.
        kind, targets: as in `Competition`, of the rows of `train`.

    Returns:
        Columns `id`, `group`, `fold`, in sorted order of id; and warnings for the person.

    Raises:
        UserError: too few pictures or groups for so many folds.
    """
    place = train["id"].to_numpy().argsort(kind="stable")
    table = train.iloc[place].reset_index(drop=True)
    wanted = (train["label"].to_numpy() if targets is None else targets)[place]
    frame = pd.DataFrame(
        {"id": table["id"], "group": _groups(table, duplicate_groups), "fold": ALWAYS_TRAINED}
    )
    rows, fold, notes = SPLITS[kind](frame["group"].to_numpy(object), wanted, count, seed)
    empty = sorted(set(range(count)) - set(fold.tolist()))
    if empty:
        raise UserError(
            f"fold {empty[0]} of {count} would be empty: duplicates tie too many pictures together",
            where="folds.count",
            fix="Use fewer folds, or a smaller --set inspect.duplicate_distance.",
        )
    frame.loc[frame.index[rows], "fold"] = fold
    return frame, tuple(notes)


def _groups(table: pd.DataFrame, duplicate_groups: Iterable[Sequence[str]]) -> npt.NDArray[Any]:
    """Name of each picture's connected component over duplicates, groups and rows: its first id."""
    position = {picture_id: place for place, picture_id in enumerate(table["id"])}
    ties = [
        (position[one], position[other])
        for group in duplicate_groups
        for one, other in pairwise(member for member in group if member in position)
    ]
    for column in ("group", "row"):
        if column in table:
            codes = pd.factorize(table[column])[0]
            members = np.argsort(codes, kind="stable")
            same = codes[members[1:]] == codes[members[:-1]]
            ties += zip(members[:-1][same].tolist(), members[1:][same].tolist(), strict=True)
    one, other = np.array(ties, np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(one)), (one, other)), shape=(len(table), len(table)))
    component = connected_components(graph, directed=False)[1]
    first = np.unique(component, return_index=True)[1]
    return table["id"].to_numpy(object)[first[component]]


def _split_classes(groups: npt.NDArray[Any], labels: npt.NDArray[Any], count: int, seed: int) -> Split:
    """By class."""
    groups_per_class = pd.Series(groups).groupby(labels).nunique()
    lonely = set(groups_per_class.index[groups_per_class < 2])
    few = [label for label, number in groups_per_class.items() if 2 <= number < count]
    notes = _rarity_notes(len(lonely), len(few), "classes", count)
    # With their whole groups: a duplicate of theirs that bears another label must not be validated either.
    kept = set(groups[np.isin(labels, list(lonely))])
    rows = np.flatnonzero([group not in kept for group in groups])
    members = np.bincount(labels[rows]) if len(rows) else np.zeros(1, int)
    if len(set(groups[rows])) < count or members.max() < count:
        raise UserError(
            f"{len(labels)} training pictures in {len(set(groups[rows]))} groups, at most {members.max()} of one class, "
            f"cannot be split into {count} folds",
            where="folds.count",
            fix=f"Use fewer: --set folds.count={max(2, min(len(set(groups[rows])), int(members.max())))}, or add pictures.",
        )
    return rows, _stratified(rows, labels[rows], groups[rows], count, seed), notes


def _split_grades(groups: npt.NDArray[Any], grades: npt.NDArray[Any], count: int, seed: int) -> Split:
    """As classes, but a rare grade is validated too: its neighbours teach what it is like."""
    _require_groups(groups, count)
    labels = grades.reshape(-1).astype(np.int64)
    per_grade = pd.Series(groups).groupby(labels).nunique()
    notes = _rarity_notes(0, int((per_grade < count).sum()), "grades", count)
    rows = np.arange(len(groups))
    return rows, _stratified(rows, labels, groups, count, seed), notes


def _split_numbers(groups: npt.NDArray[Any], numbers: npt.NDArray[Any], count: int, seed: int) -> Split:
    """By quantile bins of the target; of several columns by the mean of their standardised values."""
    _require_groups(groups, count)
    wide = numbers.reshape(len(groups), -1).astype(np.float64)
    spread = wide.std(axis=0)
    standard = ((wide - wide.mean(axis=0)) / np.where(spread > 0, spread, 1)).mean(axis=1)
    bins = max(1, min(MOST_BINS, len(set(groups)) // count))
    edges = np.unique(np.quantile(standard, np.linspace(0, 1, bins + 1)[1:-1]))
    rows = np.arange(len(groups))
    return rows, _stratified(rows, np.digitize(standard, edges), groups, count, seed), []


def _split_labels(groups: npt.NDArray[Any], sets: npt.NDArray[Any], count: int, seed: int) -> Split:
    """One row a group, sorted by name; its labels are those of any of its pictures."""
    names, codes = np.unique(groups.astype(str), return_inverse=True)
    labels = np.zeros((len(names), sets.shape[1]), np.int64)
    np.maximum.at(labels, codes, (sets > 0).astype(np.int64))
    per_label: npt.NDArray[Any] = labels.sum(axis=0)
    lonely: npt.NDArray[np.bool_] = per_label == 1
    few = (per_label > 1) & (per_label < count)
    notes = _rarity_notes(int(lonely.sum()), int(few.sum()), "labels", count)
    kept = labels[:, lonely].sum(axis=1) > 0
    _require_groups(names[~kept], count)
    splitter = MultilabelStratifiedKFold(n_splits=count, shuffle=True, random_state=seed)
    chosen = np.flatnonzero(~kept)
    of_group = np.full(len(names), ALWAYS_TRAINED)
    for number, (_, validated) in enumerate(splitter.split(chosen, labels[chosen])):
        of_group[chosen[validated]] = number
    rows = np.flatnonzero(~kept[codes])
    return rows, of_group[codes[rows]], notes


SPLITS: dict[TargetKind, Callable[[npt.NDArray[Any], npt.NDArray[Any], int, int], Split]] = {
    "multiclass": _split_classes,
    "multilabel": _split_labels,
    "ordinal": _split_grades,
    "regression": _split_numbers,
}


def _stratified(rows: Whole, labels: Whole, groups: npt.NDArray[Any], count: int, seed: int) -> Whole:
    splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    fold = np.full(len(rows), ALWAYS_TRAINED)
    with warnings.catch_warnings():
        # It warns of classes with fewer members than folds; we say it in our own words.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, validated) in enumerate(splitter.split(rows, labels, groups)):
            fold[validated] = number
    return fold


def _require_groups(groups: npt.NDArray[Any], count: int) -> None:
    different = len(set(groups))
    if different < count:
        raise UserError(
            f"{different} groups of training pictures cannot be split into {count} folds",
            where="folds.count",
            fix=f"Use fewer: --set folds.count={max(2, different)}, or add pictures.",
        )


def _rarity_notes(lonely: int, few: int, what: str, count: int) -> list[str]:
    notes = []
    if lonely:
        notes.append(
            f"{lonely} {what} have a single picture (or one group of duplicates): always trained on, never validated"
        )
    if few:
        notes.append(
            f"{few} {what} have fewer pictures than the {count} folds: some folds validate none of them"
        )
    return notes
