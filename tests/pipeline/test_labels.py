"""Doubted labels and corrected ones on the way through the pipeline."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_competition import Record, request, write_competition

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.pipeline.run import _open, plan_only, run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.storage import file_sha256

ONCE = ("folds.train=1", "training.epochs=1")


def test_suspects_are_found_once_and_again_when_something_changes(tmp_path: Path) -> None:
    data, folder = write_competition(tmp_path / "squares"), tmp_path / "run"
    twin = (data / "train" / "train000.png").read_bytes()
    (data / "train" / "train001.png").write_bytes(twin)  # the same picture with labels 0 and 1
    run_pipeline(request(data, folder, *ONCE, until="ensemble"), SilentProgress())
    assert not (folder / "label_suspects.csv").exists()
    oof = Predictions.load(folder / "ensemble" / "oof.npz")
    truth = pd.read_csv(data / "train.csv").set_index("ID")["target"]
    sure = np.full(oof.values.shape, 0.02, np.float32)
    for row, picture_id in enumerate(oof.ids):
        sure[row, truth[picture_id]] = 0.96
    doubted = oof.ids[4]
    sure[4] = np.roll(sure[4], 1)
    Predictions(ids=oof.ids, outputs=oof.outputs, values=sure).save(folder / "ensemble" / "oof.npz")
    manifest = json.loads((folder / "ensemble" / "manifest.json").read_text())
    manifest["outputs"]["oof.npz"] = file_sha256(folder / "ensemble" / "oof.npz")
    (folder / "ensemble" / "manifest.json").write_text(json.dumps(manifest))

    record = Record()
    before = (data / "train.csv").read_bytes()
    run_pipeline(request(data, folder, *ONCE, until="label_quality"), record)
    suspects = pd.read_csv(folder / "label_suspects.csv", dtype=str, keep_default_na=False).set_index("id")
    assert suspects.loc[doubted, "label"] == str(truth[doubted])
    assert suspects.loc[doubted, "suggested"] == str((truth[doubted] + 1) % 3)
    assert "cleanlab" in suspects.loc[doubted, "reason"]
    assert {"train000.png", "train001.png"} & set(suspects.index)
    summary = json.loads((folder / "label_quality.json").read_text())
    assert (summary["judged"], summary["training_pictures"]) == (len(oof.ids), 48)
    assert summary["suspects"] == len(suspects)
    assert any("labels may be wrong" in message for message in record.messages)
    assert (data / "train.csv").read_bytes() == before

    stamp = (folder / "label_suspects.csv").stat().st_mtime_ns
    again = Record()
    run_pipeline(request(data, folder, *ONCE, until="label_quality"), again)
    assert (folder / "label_suspects.csv").stat().st_mtime_ns == stamp
    (folder / "label_suspects.csv").write_text("edited\n")
    run_pipeline(request(data, folder, *ONCE, until="label_quality"), SilentProgress())
    assert (folder / "label_suspects.csv").read_text() != "edited\n"


def test_fixes_make_another_fingerprint_split_and_fit(tmp_path: Path) -> None:
    data, folder = write_competition(tmp_path / "squares"), tmp_path / "run"
    run_pipeline(request(data, folder, *ONCE, until="train"), SilentProgress())
    before = (data / "train.csv").read_bytes()
    (data / "label_fixes.csv").write_text("id,label\ntrain000.png,2\ntrain005.png,drop\n")
    record = Record()
    run_pipeline(request(data, folder, *ONCE, until="train"), record)
    assert "info: label_fixes.csv: 1 label changed, 1 picture dropped" in record.messages
    assert not record.notes["train test_resnet fold 0"].startswith("done before")
    classes = json.loads((folder / "fingerprint.json").read_text())["classes"]
    assert [entry["count"] for entry in classes] == [15, 16, 16]
    folds = pd.read_csv(folder / "folds.csv")
    assert len(folds) == 47
    assert "train005.png" not in set(folds["id"])
    assert (data / "train.csv").read_bytes() == before


def test_a_change_of_one_label_alone_changes_the_data(tmp_path: Path) -> None:
    """Also where the target has no single label."""
    data = write_competition(tmp_path / "squares", train=9, test=3)
    hashes = []
    for text in (None, "id,label\ntrain000.png,2\n", "id,label\ntrain000.png,1\n"):
        if text:
            (data / "label_fixes.csv").write_text(text)
        context = _open(request(data, tmp_path / "run"), SilentProgress())
        targets = np.eye(3, dtype=np.float32)[context.competition.targets]
        context.competition = dataclasses.replace(
            context.competition,
            kind="multilabel",
            targets=targets,
            train=context.competition.train.drop(columns="label"),
        )
        hashes.append(context.data_hash)
    assert len(set(hashes)) == 3


def test_a_file_that_the_settings_name_is_used(tmp_path: Path) -> None:
    data = write_competition(tmp_path / "squares")
    (tmp_path / "mine.csv").write_text("id,label\ntrain000.png,7\n")
    with pytest.raises(UserError, match=r"line 2: '7' is not a label.*mine\.csv"):
        plan_only(
            request(data, tmp_path / "run", f"data.label_fixes={tmp_path / 'mine.csv'}"), SilentProgress()
        )
