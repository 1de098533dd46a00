"""`--compare_modes`: what it refuses, two runs below one folder, and going on where it stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import timm
import torch
from app_fakes import FakePipeline
from safetensors.torch import save_file

import grandmaster_train
import options
from grandmaster.models.registry import ENTRIES
from grandmaster.models.registry.modes import refusal
from pipeline.small_competition import write_competition

ASKED = ("--mode", "quick_test", "--compare_modes")
SMALL = (
    *("model.image_size=32", "training.epochs=1", "prediction.tta_views=1", "ensemble.bootstrap_rounds=100"),
    *("hardware.workers=0", "hardware.threads=1", "folds.count=3", "training.micro_batch=8"),
    *("inspect.shift_effort=0.1", "inspect.shift_pictures=40"),
)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "trains one model twice, and none is named (in --models)"),
        (("--models", "resnet18,resnet50"), "several are named"),
        (("--models", "resnet18", "--until", "plan"), "both runs go the whole way"),
        (("--models", "resnet18", "--time_limit", "1h"), "cut the two runs at different places"),
        (("--models", "resnet18", "--mode", "debug"), "nothing trained to compare"),
        (("--models", "resnet18", "--set", "training.mode=fine_tuning"), "is what --compare_modes compares"),
        (("--models", "yolo11n"), "only classifiers of timm are trained here"),
    ],
)
def test_flags_that_make_no_sense_with_it(
    home: Path, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    assert grandmaster_train.main([*ASKED, *flags]) == 2
    assert said in capsys.readouterr().err
    assert not pipeline.runs


def test_a_model_that_does_not_support_a_mode_is_refused_in_the_usual_words(
    home: Path, pipeline: FakePipeline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = msgspec.structs.replace(ENTRIES["resnet18"], training_modes=ENTRIES["dfine_x"].training_modes)
    monkeypatch.setitem(ENTRIES, "resnet18", tuned)
    assert grandmaster_train.main([*ASKED, "--models", "resnet18"]) == 2
    assert str(refusal(tuned, "full_training")) in capsys.readouterr().err


def test_without_weights_it_says_where_they_are_and_where_they_go(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert grandmaster_train.main([*ASKED, "--models", "resnet18"]) == 2
    said = capsys.readouterr().err
    assert "resnet18 has no weights to fine-tune: the hub cannot be reached" in said
    assert "huggingface.co/timm/resnet18.a1_in1k" in said
    assert "resnet18.a1_in1k.safetensors" in said
    assert not (home / "runs").exists()


@pytest.fixture
def toy(home: Path) -> tuple[str, ...]:
    """A command that compares a tiny net on tiny pictures."""
    write_competition(home / "data" / "squares", train=30, test=6)
    (home / "weights").mkdir()
    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet").state_dict(), home / "weights" / "test_resnet.safetensors")
    settings = [word for setting in SMALL for word in ("--set", setting)]
    return (
        *(*ASKED, "--data_path", "data/squares", "--models", "test_resnet", "--weights_dir", "weights"),
        *("--folds", "1", *settings),
    )


def fit_of(home: Path, mode: str) -> Path:
    return home / "runs" / "squares_quick_test_modes_test_resnet" / mode / "fold_0" / "test_resnet"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_both_runs_have_one_budget_and_an_interrupted_comparison_goes_on(
    home: Path, toy: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, once = torch.get_num_threads(), grandmaster_train.run

    def stopped(settings: Any, request: Any, *others: Any) -> int:
        if settings.experiment == "full_training":
            raise KeyboardInterrupt
        return once(settings, request, *others)

    with monkeypatch.context() as patch:
        patch.setattr(grandmaster_train, "run", stopped)
        assert grandmaster_train.main(list(toy)) == options.INTERRUPTED
    said = capsys.readouterr()
    assert "Resume with:" in said.err
    assert "--compare_modes" in said.err
    kept = (fit_of(home, "fine_tuning") / "checkpoint" / "best.safetensors").stat().st_mtime_ns
    assert not fit_of(home, "full_training").exists()

    assert grandmaster_train.main(list(toy)) == 0
    shown = capsys.readouterr().out
    torch.set_num_threads(before)
    assert (fit_of(home, "fine_tuning") / "checkpoint" / "best.safetensors").stat().st_mtime_ns == kept
    assert "How far the weights moved" in shown
    assert "Gain of fine-tuning" in shown
    folder = fit_of(home, "fine_tuning").parents[2]
    tuned, scratch = (read(fit_of(home, mode) / "spec.json") for mode in ("fine_tuning", "full_training"))
    same = ("input_size", "epochs", "seed", "pictures_hash", "operations", "corruption", "fold")
    assert {name: tuned[name] for name in same} == {name: scratch[name] for name in same}
    assert tuned["weights"]["source"].startswith("file:")
    assert scratch["weights"]["source"] == "none"
    assert (folder / "fine_tuning" / "folds.csv").read_bytes() == (
        folder / "full_training" / "folds.csv"
    ).read_bytes()
    compared = read(folder / "mode_comparison.json")
    assert compared["gain"]["verdict"] in ("better", "worse", "no difference shown")
    assert [layer["layer"] for layer in compared["layers"]][-1] == "all layers"
    for name in ("mode_comparison.csv", "mode_comparison.html"):
        assert (folder / name).is_file()
    for mode in ("fine_tuning", "full_training"):
        command = read(folder / mode / "environment.json")["command"]
        assert f"--experiment_name {mode}" in command
        assert "--compare_modes" not in command


def test_a_dry_run_shows_both_plans_and_writes_nothing(
    home: Path,
    pipeline: FakePipeline,
    toy: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The fake plan has two models; the pins of the second run come from a plan of one.
    plan = pipeline.planned_work

    def one_model(request: Any, progress: Any) -> Any:
        whole, later = plan(request, progress)
        return type(whole)(models=whole.models[:1]), later

    monkeypatch.setattr(sys.modules["grandmaster.pipeline.run"], "planned_work", one_model)
    assert grandmaster_train.main([*toy, "--dry_run"]) == 0
    modes = [request.config.training.mode for request in pipeline.plans]
    assert modes == ["fine_tuning", "full_training"]
    second = pipeline.plans[1].config
    assert (second.model.image_size, second.training.epochs) == (384, 12)
    assert not (home / "runs").exists()
    assert "--compare_modes" in capsys.readouterr().out
