"""Two finished runs as a comparison of training modes: its values, its files, and what both runs share."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from grandmaster.competition.verdict import Note
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.models.registry import ENTRIES
from grandmaster.models.registry.modes import refusal
from grandmaster.models.weight_change import FILE_NAME
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.mode_comparison import (
    compare_modes,
    require_comparable,
    same_budget,
    share_steps,
)
from grandmaster.pipeline.run import run_pipeline
from grandmaster.report.mode_comparison import (
    ModesCompared,
    render_comparison,
    table_lines,
    write_comparison,
)
from grandmaster.report.texts import speaker
from grandmaster.settings import with_settings
from grandmaster.storage import read_json, write_json
from pipeline.finished_run import copy_run, make_run
from pipeline.small_competition import Record, request
from report.language_check import left_in_english
from report.page import Page


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose copies stand for the two modes: what was trained is the same, what is predicted is not."""
    folder = make_run(tmp_path_factory.mktemp("modes"))
    copy_run(folder, "full_training", right=0.5)
    copy_run(folder, "fine_tuning", right=0.9)
    return folder


@pytest.fixture(scope="module")
def compared(first: Path) -> ModesCompared:
    change = first.parent / "fine_tuning" / "fold_0" / "test_resnet" / FILE_NAME
    told = read_json(change)
    told["layers"][0]["relative"] = 0.25
    write_json(change, told)
    runs = [open_run(first.parent / name) for name in ("full_training", "fine_tuning")]
    return compare_modes(*runs, ENTRIES["resnet18"], command="python 04_training/grandmaster_train.py")


def test_the_verdict_is_that_of_fine_tuning(compared: ModesCompared) -> None:
    assert compared.gain.verdict == "better"
    assert compared.gain.low > 0
    assert compared.sentence.startswith("fine_tuning is better than full_training: macro F1")
    assert compared.gain_corrupted is None
    assert (compared.folds_trained, compared.rows, compared.seed) == (3, 48, 42)


def test_what_both_took_is_measured_and_the_rest_is_documented(compared: ModesCompared, first: Path) -> None:
    tuned = compared.fine_tuning
    seconds = [read_json(first / f"fold_{k}" / "test_resnet" / "result.json")["seconds"] for k in range(3)]
    assert tuned.training_minutes == pytest.approx(sum(seconds) / 60, abs=0.01)
    assert (tuned.best_epochs, tuned.epochs) == ((1, 1, 1), (1, 1, 1))
    assert tuned.memory_gb is not None
    assert tuned.documented == "1,000 to 100,000 pictures, 1x V100 or RTX 3090, 2-24 hours"
    assert "3-7 days" in compared.full_training.documented
    assert tuned.documented_source.startswith("documented")
    lines = {line.name: line for line in table_lines(compared, speaker("en"))}
    assert lines["best epoch"].fine_tuning == "1, 1, 1 of 1"
    assert lines["documented"].documented


def test_every_layers_change_is_the_mean_of_its_folds(compared: ModesCompared, first: Path) -> None:
    told = [read_json(first / f"fold_{k}" / "test_resnet" / FILE_NAME) for k in range(3)]
    moved = compared.layers[0]
    before = [one["layers"][0]["relative"] for one in told]
    assert moved.layer == told[0]["layers"][0]["layer"]
    assert moved.full_training == pytest.approx(sum(before) / 3)
    assert moved.fine_tuning == pytest.approx((0.25 + before[1] + before[2]) / 3)
    assert compared.layers[-1].layer == "all layers"


def test_the_files_say_the_same_and_the_page_asks_for_nothing(
    compared: ModesCompared, tmp_path: Path
) -> None:
    odd = msgspec.structs.replace(
        compared, competition="<b>bold</b>", notes=(Note(text="a <note>", key="unknown"),)
    )
    page = write_comparison(tmp_path, odd)
    table = pd.read_csv(tmp_path / "mode_comparison.csv", dtype=str).set_index(["part", "measure"])
    told = read_json(tmp_path / "mode_comparison.json")
    assert float(table.loc[("clean", "score"), "fine_tuning"]) == told["fine_tuning"]["clean"]["score"]
    assert float(table.loc[("clean", "gain"), "fine_tuning"]) == told["gain"]["gain"]
    assert float(table.loc[("relative weight change", "fc"), "full_training"]) > 0
    html = page.read_text(encoding="utf-8")
    shown = Page(html)
    assert "<b>bold</b>" in shown.text("result")
    assert "<b>bold" not in html
    assert "a <note>." in shown.text("result")
    assert "documented" in shown.text("cost")
    assert "all layers" in shown.text("layers")
    for outside in ("http://", "https://", "<script", "src=", 'href="/'):
        assert outside not in html.replace("http://www.w3.org", "")
    assert render_comparison(odd, speaker("en")) == html
    korean = render_comparison(odd, speaker("ko"))
    assert left_in_english(korean) - {"documented"} == set()
    assert "fine_tuning이(가) full_training보다 좋습니다: macro F1" in Page(korean).text("result")


def test_the_second_run_is_given_what_the_first_found_in_the_data(first: Path, tmp_path: Path) -> None:
    share_steps(first, tmp_path / "second")
    share_steps(first, tmp_path / "second")
    record, data = Record(), first.parents[1] / "data"
    run_pipeline(request(data, tmp_path / "second", "training.epochs=3", until="plan"), record)
    assert record.notes["inspect"] == record.notes["compare with test"] == "done before"


def test_the_second_run_has_the_size_and_the_epochs_of_the_first(first: Path) -> None:
    assert same_budget(open_run(first).context.plan) == ["model.image_size=32", "training.epochs=1"]


def test_what_cannot_be_compared_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    config = with_settings(Config(), ["model.backbones=resnet18"])
    with pytest.raises(UserError, match=r"no weights to fine-tune.*fetch model\.safetensors from .*resnet18"):
        require_comparable(config, {})
    fixed = msgspec.structs.replace(ENTRIES["resnet18"], training_modes=ENTRIES["dfine_x"].training_modes)
    with pytest.raises(UserError) as refused:
        require_comparable(config, {"resnet18": fixed})
    assert refused.value.what == refusal(fixed, "full_training")


def test_runs_of_other_folds_are_refused(first: Path) -> None:
    other = first.parent / "moved"
    shutil.copytree(first, other)
    folds = pd.read_csv(other / "folds.csv", dtype=str)
    folds.loc[0, "fold"] = str((int(folds.loc[0, "fold"]) + 1) % 3)
    folds.to_csv(other / "folds.csv", index=False)
    with pytest.raises(UserError, match="the runs have other folds"):
        compare_modes(open_run(first), open_run(other), ENTRIES["resnet18"], command="")
