"""Every layout, from a folder of files to a submission that passed the gate, with a tiny net."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from competition.layout_makers import LAYOUT_MAKERS
from grandmaster.competition.reader import read_competition
from grandmaster.config import DataConfig
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json
from pipeline.small_competition import Record, request

# Layout -> kind of target, form of the submission, decision rule.
EXPECTED = {
    "L1": ("multiclass", "hard_label", "argmax"),
    "L2": ("multiclass", "class_probabilities", "argmax"),
    "L3": ("multiclass", "class_probabilities", "argmax"),
    "L4": ("multilabel", "label_set", "thresholds"),
    "L5": ("multilabel", "independent_probabilities", "thresholds"),
    "L6": ("multiclass", "one_probability", "argmax"),
    "L7": ("regression", "real_number", "none"),
    "L8": ("ordinal", "ordinal_label", "cut_points"),
    "L9": ("multiclass", "hard_label", "argmax"),
    "L10": ("multiclass", "hard_label", "argmax"),
    "L11": ("multiclass", "one_probability", "argmax"),
    "L12": ("multiclass", "hard_label", "argmax"),
    "L13": ("multiclass", "one_probability", "argmax"),
    "L14": ("multiclass", "ranked_labels", "argmax"),
}


def test_no_layout_is_left_out():
    assert set(LAYOUT_MAKERS) == set(EXPECTED)


@pytest.mark.parametrize("layout", EXPECTED)
def test_from_a_folder_to_a_checked_submission(layout: str, tmp_path: Path) -> None:
    data = LAYOUT_MAKERS[layout](tmp_path / "data")
    folder = tmp_path / "run"
    record = Record()
    results = run_pipeline(
        request(
            data, folder, "folds.count=2", "folds.train=1", "training.epochs=1", "prediction.tta_views=1"
        ),
        record,
    )
    competition = read_competition(data, DataConfig())
    kind, form, rule = EXPECTED[layout]
    assert (competition.layout, competition.kind, competition.submission_format) == (layout, kind, form)
    assert results["submission"]["problems"] == []
    assert results["decision"]["rule"] == rule
    cv = results["cross_validation"]
    assert cv["low"] - 1e-9 <= cv["score"] <= cv["high"] + 1e-9  # equal but for the order of additions

    written = pd.read_csv(folder / results["submission"]["file"], dtype=str, keep_default_na=False)
    sample = competition.sample_submission
    assert list(written.columns) == list(sample.columns)
    assert written[competition.id_column].tolist() == sample[competition.id_column].tolist()
    assert (folder / "report.html").stat().st_size > 10_000

    # What one submission row and one group hold together, one fold holds together.
    folds = pd.read_csv(folder / "folds.csv", dtype=str, keep_default_na=False).set_index("id")["fold"]
    train = competition.train[competition.train["id"].isin(folds.index)]
    for column in ("row", "group"):
        assert folds[train["id"]].groupby(train[column].to_numpy()).nunique().max() == 1
    assert set(read_json(folder / "config.json")) >= {"data_path", "folds"}
