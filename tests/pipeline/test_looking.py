"""Where models look: which pictures are shown, by whose model, and that it is done once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grandmaster.competition.predictions import Predictions
from grandmaster.pipeline.looking import RIGHT, WRONG, choose
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json
from pipeline.small_competition import request, write_competition


def oof(values: list[list[float]]) -> Predictions:
    table = np.array(values, np.float32)
    return Predictions(
        ids=tuple(f"p{row:02d}" for row in range(len(table))),
        outputs=tuple("abc"[: table.shape[1]]),
        values=table,
    )


def test_the_surest_wrong_answers_come_first_then_right_ones_of_different_classes():
    found = choose(
        oof(
            [[0.9, 0.1, 0], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.99, 0, 0.01], [0, 0.3, 0.7], [0.95, 0.05, 0]]
        ),
        np.array([1, 1, 1, 0, 2, 0]),
        "multiclass",
    )
    assert [(one.place, one.output, one.right) for one in found] == [
        (0, 0, False),
        (1, 0, False),
        (3, 0, True),  # of class 0 the surest only
        (2, 1, True),
        (4, 2, True),
    ]


def test_no_more_than_can_be_looked_at():
    rng = np.random.default_rng(0)
    found = choose(oof(rng.dirichlet([1, 1, 1], 200).tolist()), rng.integers(0, 3, 200), "multiclass")
    assert sum(not one.right for one in found) == WRONG
    assert sum(one.right for one in found) <= RIGHT


def test_of_labels_the_surest_label_and_of_numbers_the_largest_error():
    labels = choose(oof([[0.9, 0.2], [0.3, 0.8]]), np.array([[0.0, 1.0], [0.0, 1.0]]), "multilabel")
    assert [(one.place, one.output, one.right) for one in labels] == [(0, 0, False), (1, 1, True)]
    numbers = choose(oof([[5.0], [1.0], [2.0], [9.0]]), np.array([5.1, 4.0, 2.0, 1.0]), "regression")
    assert [(one.place, one.right) for one in numbers] == [(3, False), (1, False), (2, True), (0, True)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    pytest.importorskip("captum")
    data = write_competition(tmp_path_factory.mktemp("data") / "squares")
    folder = tmp_path_factory.mktemp("runs") / "run"
    run_pipeline(request(data, folder), SilentProgress())
    return folder


def test_pictures_are_looked_at_by_a_model_that_did_not_learn_them(finished):
    lines = read_json(finished / "looks" / "looks.json")["looks"]
    folds = pd.read_csv(finished / "folds.csv", dtype={"id": str}).set_index("id")["fold"]
    assert lines
    for line in lines:
        assert (finished / "looks" / line["file"]).stat().st_size > 500
        assert line["fit"].endswith(f"fold {folds[line['id']]}")
        assert line["method"] in ("Grad-CAM", "occlusion")


def test_they_are_in_the_report_and_made_once(finished):
    html = (finished / "report.html").read_text(encoding="utf-8")
    assert "Where the models look" in html
    assert "No heat maps" not in html
    pictures = {path: path.stat().st_mtime_ns for path in (finished / "looks").iterdir()}
    data = Path(read_json(finished / "config.json")["data_path"])
    run_pipeline(request(data, finished), SilentProgress())
    assert {path: path.stat().st_mtime_ns for path in (finished / "looks").iterdir()} == pictures


def test_without_weights_there_are_none_and_the_page_says_so(tmp_path):
    data = write_competition(tmp_path / "squares")
    run_pipeline(request(data, tmp_path / "run", "run.keep_weights=predictions"), SilentProgress())
    assert not (tmp_path / "run" / "looks").exists()
    assert "No heat maps" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
