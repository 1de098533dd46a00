"""Planted wrong labels are found among right ones, with what should stand there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grandmaster.competition.label_fixes import apply_label_fixes
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.eda.label_quality import COLUMNS, LabelQuality, find_label_suspects


def competition(
    targets: np.ndarray, kind: str, classes: Sequence[str], outputs: Sequence[str] = ()
) -> Competition:
    """n pictures p000, p001, ... that need not exist."""
    ids = [f"p{number:03d}" for number in range(len(targets))]
    train = pd.DataFrame({"id": ids, "path": ids, "group": ids, "row": ids})
    if kind in ("multiclass", "ordinal"):
        train["label"] = targets.reshape(-1).astype(np.int64)
    return Competition(
        name="made up",
        root=Path(),
        layout="L1",
        understood=(),
        id_column="ID",
        target_columns=tuple(outputs) or ("target",),
        kind=kind,  # type: ignore[arg-type]
        classes=tuple(classes),
        class_names=tuple(classes),
        train=train,
        targets=targets,
        test=pd.DataFrame({"id": [], "path": [], "row": []}),
        sample_submission=pd.DataFrame(),
        submission_format="hard_label",
        metric="macro_f1",
        metric_reason="",
    )


def predicted(of: Competition, values: np.ndarray, rows: Sequence[int] | None = None) -> Predictions:
    chosen = range(len(of.train)) if rows is None else rows
    return Predictions(
        ids=tuple(of.train["id"].iloc[row] for row in chosen),
        outputs=of.outputs,
        values=values[list(chosen)].astype(np.float32),
    )


def blurred(truth: np.ndarray, classes: int, seed: int = 0) -> np.ndarray:
    """Probabilities that lean to the truth; right on most pictures."""
    noise = np.random.default_rng(seed).dirichlet(np.full(classes, 0.6), len(truth))
    return 0.95 * np.eye(classes)[truth] + 0.05 * noise


CLASSES = ("cat", "dog", "None")


def planted(n: int = 120, wrong: Sequence[int] = (7, 30, 85)) -> tuple[Competition, np.ndarray, np.ndarray]:
    truth = np.random.default_rng(3).integers(0, 3, n)
    labels = truth.copy()
    labels[list(wrong)] = (truth[list(wrong)] + 1) % 3
    return competition(labels, "multiclass", CLASSES), truth, labels


def rows_of(found: LabelQuality) -> pd.DataFrame:
    return found.suspects.set_index("id")


def test_planted_errors_come_with_the_right_class() -> None:
    data, truth, labels = planted()
    found = find_label_suspects(data, predicted(data, blurred(truth, 3)), [])
    assert tuple(found.suspects.columns) == COLUMNS
    rows = rows_of(found)
    assert set(rows.index) == {"p007", "p030", "p085"}
    for place in (7, 30, 85):
        row = rows.loc[f"p{place:03d}"]
        assert (row["label"], row["suggested"]) == (CLASSES[labels[place]], CLASSES[truth[place]])
        assert row["p_suggested"] > 0.9 > row["p_label"]
        assert row["quality"] < 0.3
        assert row["reason"] == "cleanlab"
    assert found.suspects["quality"].is_monotonic_increasing
    assert (found.judged, found.notes) == (120, ())


def test_only_pictures_with_predictions_are_judged() -> None:
    data, truth, _ = planted()
    values, half = blurred(truth, 3), list(range(60))
    found = find_label_suspects(data, predicted(data, values, half[::-1]), [])
    assert set(found.suspects["id"]) == {"p007", "p030"}
    assert found.judged == 60


def test_right_labels_give_an_empty_list() -> None:
    data, truth, _ = planted(wrong=())
    found = find_label_suspects(data, predicted(data, blurred(truth, 3)), [])
    assert found.suspects.empty
    assert tuple(found.suspects.columns) == COLUMNS


@pytest.mark.parametrize(
    ("labels", "chances", "doubted"),
    [
        # two against one: the many are right, whatever a model says
        ([0, 0, 1], [[0.1, 0.9, 0], [0.1, 0.9, 0], [0.1, 0.9, 0]], {"p002": "cat"}),
        # one against one: the models decide, from both pictures
        ([0, 1], [[0.4, 0.5, 0.1], [0.6, 0.35, 0.05]], {"p001": "cat"}),
        ([0, 1], [[0.3, 0.6, 0.1], [0.3, 0.6, 0.1]], {"p000": "dog"}),
        # nothing decides
        ([0, 1], None, {"p000": "", "p001": ""}),
    ],
)
def test_duplicates_that_contradict_each_other(
    labels: list[int], chances: list[list[float]] | None, doubted: dict[str, str]
) -> None:
    rest = [0, 1, 2] * 12
    data = competition(np.array(labels + rest), "multiclass", CLASSES)
    values = np.vstack([np.array(chances or np.eye(3)[labels]), blurred(np.array(rest), 3)])
    judged = range(0 if chances else len(labels), len(values))
    group = [f"p{place:03d}" for place in range(len(labels))]
    rows = rows_of(
        find_label_suspects(data, predicted(data, values, list(judged)), [group, ["p004", "gone"]])
    )
    found = {
        picture_id: rows.loc[picture_id, "suggested"] for picture_id in rows.index if picture_id in group
    }
    if chances:  # cleanlab may doubt the others too, of its own accord
        assert found.items() >= doubted.items()
    else:
        assert found == doubted
        assert rows.loc["p000", ["quality", "p_label", "p_suggested"]].isna().all()
        assert rows.index[-2:].tolist() == ["p000", "p001"], "those without a number come last"
    first = next(iter(doubted))
    other = next(
        place for place in group if data.train.set_index("id")["label"][place] != labels[int(first[1:])]
    )
    assert f"duplicate of {other} with label" in rows.loc[first, "reason"]


def test_both_reasons_are_told_and_the_duplicate_wins() -> None:
    rest = [0, 1, 2] * 12
    data = competition(np.array([1, 0, 0, *rest]), "multiclass", CLASSES)
    values = np.vstack([[[0.01, 0.02, 0.97]], np.eye(3)[[0, 0]], blurred(np.array(rest), 3)])
    row = rows_of(find_label_suspects(data, predicted(data, values), [["p000", "p001", "p002"]])).loc["p000"]
    assert row["reason"] == "cleanlab; duplicate of p001 with label cat"
    assert row["suggested"] == "cat"


def test_sets_of_labels_are_judged_label_by_label(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random((150, 3)) < 0.4).astype(np.float32)
    given = truth.copy()
    given[11, 2], given[40, 0] = 1 - given[11, 2], 1 - given[40, 0]
    data = competition(given, "multilabel", ("rust", "scab", "spot"))
    values = np.clip(0.8 * truth + 0.1 + rng.normal(0, 0.005, truth.shape), 0, 1)
    rows = rows_of(find_label_suspects(data, predicted(data, values), []))
    assert set(rows.index) == {"p011", "p040"}
    names = np.array(data.classes)
    for place in (11, 40):
        assert rows.loc[f"p{place:03d}", "label"] == " ".join(names[given[place] > 0])
        assert rows.loc[f"p{place:03d}", "suggested"] == " ".join(names[truth[place] > 0])
        assert rows.loc[f"p{place:03d}", "p_suggested"] > 0.7 > 0.3 > rows.loc[f"p{place:03d}", "p_label"]
    # what is suggested is what a file of fixes takes
    fixes = rows.reset_index()[["id", "suggested"]].rename(columns={"suggested": "label"})
    fixes.to_csv(tmp_path / "label_fixes.csv", index=False)
    assert np.array_equal(apply_label_fixes(data, tmp_path / "label_fixes.csv").targets, truth)


@pytest.mark.parametrize("kind", ["ordinal", "regression"])
def test_numbers_are_judged_by_their_duplicates_only_and_it_is_said(kind: str) -> None:
    targets = np.array([[0], [0], [1], [2]], np.float32)
    classes = ("0", "1", "2") if kind == "ordinal" else ()
    data = competition(targets, kind, classes, outputs=("grade",))
    found = find_label_suspects(data, predicted(data, np.zeros((4, 1))), [["p000", "p001", "p002"]])
    assert found.suspects["id"].tolist() == ["p002"]
    assert found.suspects["suggested"].tolist() == ["0"]
    assert found.judged == 0
    assert f"of kind {kind}" in found.notes[0]


@pytest.mark.parametrize("labels", [[0], [1, 1, 1, 1], [0, 1], [0, 1, 2], [0, 0, 2, 2, 0, 2]])
def test_hardly_any_picture_is_no_failure(labels: list[int]) -> None:
    data = competition(np.array(labels), "multiclass", CLASSES)
    found = find_label_suspects(data, predicted(data, blurred(np.array(labels), 3)), [])
    assert found.suspects.empty
    assert bool(found.notes) == (len(set(labels)) < 3)


def test_foreign_predictions_are_refused() -> None:
    data, truth, _ = planted(30, ())
    other = competition(data.targets, "multiclass", ("a", "b", "c"))
    with pytest.raises(ValueError, match="other outputs"):
        find_label_suspects(data, predicted(other, blurred(truth, 3)), [])
    stranger = Predictions(ids=("stranger",), outputs=data.outputs, values=np.full((1, 3), 1 / 3, np.float32))
    with pytest.raises(ValueError, match="'stranger'"):
        find_label_suspects(data, stranger, [])
