"""Scores against answers, joined on ids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from competition.making import put
from grandmaster.competition.solution import score_solution
from grandmaster.errors import UserError

IDS = [f"{i:03}" for i in range(30)]
TRUTH = [("NA", "cat", "dog")[i % 3] for i in range(30)]
GIVEN = [label if i % 5 else "cat" for i, label in enumerate(TRUTH)]


def files(root: Path, submission: str, solution: str) -> tuple[Path, Path]:
    put(root, submission_csv=submission, solution_csv=solution)
    return root / "submission.csv", root / "solution.csv"


def rows(*columns: list[str], header: str, turned: bool = False) -> str:
    lines = [",".join(row) for row in zip(*columns, strict=True)]
    return "\n".join([header, *(reversed(lines) if turned else lines)])


def test_labels_join_on_ids(tmp_path: Path) -> None:
    usage = ["Public" if i % 2 else "Private" for i in range(30)]
    paths = files(
        tmp_path,
        rows(IDS, GIVEN, header="id,label"),
        rows(IDS, usage, TRUTH, header="id,Usage,label", turned=True),
    )
    result = score_solution(*paths, metric=None)
    assert (result.metric, result.metric_title, result.images, result.level) == (
        "macro_f1",
        "macro F1",
        30,
        0.95,
    )
    assert result.value == pytest.approx(f1_score(TRUTH, GIVEN, average="macro"))
    assert result.low < result.value < result.high
    assert score_solution(*paths, metric="accuracy").value == pytest.approx(accuracy_score(TRUTH, GIVEN))


def test_ignored_rows_do_not_count(tmp_path: Path) -> None:
    usage = ["Ignored" if i < 10 else "Private" for i in range(30)]
    paths = files(
        tmp_path, rows(IDS, GIVEN, header="id,label"), rows(IDS, TRUTH, usage, header="id,label,Usage")
    )
    result = score_solution(*paths, metric="accuracy")
    assert result.images == 20
    assert result.value == pytest.approx(accuracy_score(TRUTH[10:], GIVEN[10:]))
    put(tmp_path, solution_csv=rows(IDS, TRUTH, ["Ignored"] * 30, header="id,label,Usage"))
    with pytest.raises(UserError, match="every row is marked Ignored"):
        score_solution(*paths, metric=None)


@pytest.mark.parametrize("one_hot", [False, True])
def test_probabilities(tmp_path: Path, one_hot: bool) -> None:
    classes = ["dog", "NA", "cat"]
    values = np.random.default_rng(0).dirichlet(np.ones(3), size=30).round(4)
    submission = rows(IDS, *([str(v) for v in values[:, k]] for k in range(3)), header="id,dog,NA,cat")
    if one_hot:
        columns = [[str(int(label == c)) for label in TRUTH] for c in sorted(classes)]
        solution = rows(IDS, *columns, ["Public"] * 30, header="id,NA,cat,dog,Usage", turned=True)
    else:
        solution = rows(IDS, TRUTH, header="id,label", turned=True)
    paths = files(tmp_path, submission, solution)
    truth = [classes.index(label) for label in TRUTH]
    result = score_solution(*paths, metric=None)
    assert (result.metric, result.images) == ("log_loss", 30)
    scaled = values / values.sum(axis=1, keepdims=True)
    assert result.value == pytest.approx(log_loss(truth, scaled, labels=[0, 1, 2]))
    macro = score_solution(*paths, metric="macro_f1").value
    assert macro == pytest.approx(f1_score(truth, values.argmax(axis=1), average="macro"))


def test_labels_against_one_hot_answers(tmp_path: Path) -> None:
    columns = [[str(int(label == c)) for label in TRUTH] for c in ("NA", "cat", "dog")]
    paths = files(
        tmp_path,
        rows(IDS, GIVEN, header="id,label"),
        rows(IDS, *columns, ["Public"] * 30, header="id,NA,cat,dog,Usage"),
    )
    assert score_solution(*paths, metric="accuracy").value == pytest.approx(accuracy_score(TRUTH, GIVEN))


def test_a_label_outside_the_answers_counts_as_wrong(tmp_path: Path) -> None:
    given = ["bird", *TRUTH[1:]]
    paths = files(tmp_path, rows(IDS, given, header="id,label"), rows(IDS, TRUTH, header="id,label"))
    assert score_solution(*paths, metric=None).value == pytest.approx(f1_score(TRUTH, given, average="macro"))


@pytest.mark.parametrize(
    ("submission", "solution", "metric", "says"),
    [
        ("id,label\n1,a\n", "id,label\n1,a\n2,b\n", None, "1 ids of the solution are missing: '2'"),
        ("id,label\n1,a\n2,b\n", "id,label\n1,a\n", None, "1 ids of the submission are missing: '2'"),
        ("id,label\n1,a\n01,b\n", "id,label\n1,a\n2,b\n", None, "missing: '2'"),
        ("id,label\n1,a\n1,b\n", "id,label\n1,a\n2,b\n", None, "repeats? a id; the first is '1'"),
        ("id,label\n1,a\n2,b\n", "id,label\n1,a\n2,\n", None, "empty, the first in line 3"),
        ("id,label\n1,a\n2,b\n", "key,label\n1,a\n2,b\n", None, "no id column 'id'"),
        (
            "id,label\n1,a\n2,b\n",
            "id,label\n1,a\n2,b\n",
            "log_loss",
            "needs probabilities.*macro_f1 or .*accuracy",
        ),
        ("id,label\n1,a\n2,b\n", "id,label\n1,a\n2,b\n", "makro_f1", "Did you mean 'macro_f1'"),
        ("id,a,b\n1,1,0\n2,x,0\n", "id,label\n1,a\n2,b\n", None, "id '2' are no finite numbers"),
        ("id,a,b\n1,1,0\n2,0,0\n", "id,label\n1,a\n2,b\n", None, "no row all zero"),
        ("id,a,b\n1,1,0\n2,0,1\n", "id,label\n1,a\n2,c\n", None, "no column in the submission: 'c'"),
        ("id,a,b\n1,1,0\n2,0,1\n", "id,x,y\n1,a,0\n2,c,1\n", None, "no true labels"),
        ("id\n1\n", "id,label\n1,a\n", None, "no column beside the ids"),
    ],
)
def test_faults(tmp_path: Path, submission: str, solution: str, metric: str | None, says: str) -> None:
    with pytest.raises(UserError, match=says):
        score_solution(*files(tmp_path, submission, solution), metric=metric)


def test_missing_file(tmp_path: Path) -> None:
    put(tmp_path, submission_csv="id,label\n1,a\n")
    with pytest.raises(UserError, match="cannot read"):
        score_solution(tmp_path / "submission.csv", tmp_path / "solution.csv", metric=None)
