"""Who is validated where: decided once, from sorted ids and a seed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from grandmaster.errors import UserError

ALWAYS_TRAINED = -1


def make_folds(
    train: pd.DataFrame, duplicate_groups: Sequence[Sequence[str]], *, count: int, seed: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Split into folds, stratified by class, near-duplicates together (scikit-learn's StratifiedGroupKFold).

    A class that lives in one group only could never be both trained and validated: its pictures get fold -1 and are
    always trained on, never validated.

    Args:
        train: columns `id`, `label`.
        duplicate_groups: ids that must not be separated.
        count: folds.

    Returns:
        Columns `id`, `group`, `fold`, in sorted order of id; and warnings for the person.

    Raises:
        UserError: too few pictures or groups for so many folds.
    """
    frame = train[["id", "label"]].sort_values("id", kind="stable").reset_index(drop=True)
    group_of = {member: group[0] for group in (sorted(g) for g in duplicate_groups) for member in group}
    frame["group"] = [group_of.get(picture_id, picture_id) for picture_id in frame["id"]]
    notes = []
    groups_per_class = frame.groupby("label")["group"].nunique()
    lonely = set(groups_per_class.index[groups_per_class < 2])
    few = [label for label, number in groups_per_class.items() if 2 <= number < count]
    if lonely:
        notes.append(
            f"{len(lonely)} classes have a single picture (or one group of duplicates): always trained on, never validated"
        )
    if few:
        notes.append(
            f"{len(few)} classes have fewer pictures than the {count} folds: some folds validate none of them"
        )
    frame["fold"] = ALWAYS_TRAINED
    # With their whole groups: a duplicate of theirs that bears another label must not be validated either.
    kept = set(frame.loc[frame["label"].isin(lonely), "group"])
    split = ~frame["group"].isin(kept).to_numpy()
    rows = np.flatnonzero(split)
    labels, groups = frame["label"].to_numpy()[rows], frame["group"].to_numpy()[rows]
    members = np.bincount(labels) if len(labels) else np.zeros(1, int)
    if len(set(groups)) < count or members.max() < count:
        raise UserError(
            f"{len(frame)} training pictures in {len(set(groups))} groups, at most {members.max()} of one class, "
            f"cannot be split into {count} folds",
            where="folds.count",
            fix=f"Use fewer: --set folds.count={max(2, min(len(set(groups)), int(members.max())))}, or add pictures.",
        )
    splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # It warns of classes with fewer members than folds; we say it in our own words above.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        fold = np.full(len(rows), ALWAYS_TRAINED)
        for number, (_, validated) in enumerate(splitter.split(rows, labels, groups)):
            fold[validated] = number
    empty = sorted(set(range(count)) - set(fold.tolist()))
    if empty:
        raise UserError(
            f"fold {empty[0]} of {count} would be empty: duplicates tie too many pictures together",
            where="folds.count",
            fix="Use fewer folds, or a smaller --set inspect.duplicate_distance.",
        )
    frame.loc[frame.index[rows], "fold"] = fold
    return frame[["id", "group", "fold"]], tuple(notes)
