"""The table of models and the guide to one; refusals that say the same in all places."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
from app_fakes import FakePipeline
from safetensors.torch import save_file

import grandmaster_train
import models
from grandmaster.models.registry import ENTRIES
from grandmaster.models.registry.modes import refusal


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def output(capsys: pytest.CaptureFixture[str], *flags: str, code: int = 0) -> str:
    assert models.main(list(flags)) == code
    out, err = capsys.readouterr()
    return err if code else out


def models_of(shown: str) -> list[str]:
    """Those of the table, in order."""
    return [word for line in shown.splitlines() if (word := line.strip().partition(" ")[0]) in ENTRIES]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_every_model_has_one_line_of_the_terminal(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = output(capsys)
    assert sorted(models_of(shown)) == sorted(ENTRIES)
    table = shown[: shown.index("★ recommended")].splitlines()
    tasks = {entry.task for entry in ENTRIES.values()}
    filled = [line for line in table if line.strip() and "─" not in line]
    assert len(filled) == 1 + len(ENTRIES) + len(tasks), "a line of headings, one a model, one a task"
    assert max(map(len, shown.splitlines())) <= width
    head = filled[0].split()
    assert head[:6] == ["model", "million", "tune", "full", "only", "licence"]
    (widest,) = (line for line in table if "mobilenetv3_large_100" in line)
    assert "apache-2.0" in widest
    assert ("ImageNet-1k" in widest) is (width >= 100)
    (mixed,) = (line for line in table if "resnext101_32x32d" in line)
    assert "cc-by-nc-4.0" in mixed
    assert ("Instagram + ImageNet-1k" in mixed) is (width >= 100)


def test_the_table_by_mode_task_and_licence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "--mode", "inference_only", "--task", "detection", "--images", "499")
    assert "yolov8s-worldv2" in shown
    assert "yolo11n" not in shown.split("with 499 pictures")[0]
    assert "here: ✓ is trained here" in shown
    assert not any(line.startswith(" yolov8s-worldv2") and "✓  " in line[-6:] for line in shown.splitlines())
    assert "detection with 499 pictures: fine_tuning of a small model such as yolo11n, yolov8n" in shown
    shown = output(capsys, "--licence", "cc-by-nc")
    assert "resnext101_32x32d" in shown
    assert "resnet18" not in shown
    shown = output(capsys, "--task", "super_resolution", "--max_parameters", "17")
    assert "rrdbnet_x4" in shown
    assert "16.7*" in shown
    assert "swin2sr" not in shown


def test_only_models_whose_weights_are_there_and_that_fit_a_card(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "weights").mkdir()
    save_file(timm.create_model("resnet10t").state_dict(), home / "weights" / "resnet10t.safetensors")
    flags = ("--weights_dir", "weights", "--task", "classification")
    shown = output(capsys, *flags, "--fits_vram", "8")
    assert models_of(shown) == ["resnet10t"]
    assert "4.9" in shown
    assert "no model is left" in output(capsys, *flags, "--fits_vram", "0.5", code=2)


def test_the_guide_says_what_how_and_which_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = output(capsys, "--guide", "resnet10t", "--images", "500")
    assert "learns fastest from random" in shown
    assert "★ fine_tuning, recommended" in shown
    assert "Recommended for 500 pictures: fine_tuning of a small model" in shown
    assert (
        "grandmaster_train.py --mode quick_test --models resnet10t --set training.mode=fine_tuning" in shown
    )
    assert "4.9 million, without the classifier" in shown
    shown = output(capsys, "--guide", "yolo11n")
    assert "AGPL-3.0" in shown
    assert "documented: " in shown
    assert "It cannot be trained here yet" in shown


def test_a_model_of_ones_own_is_in_the_table(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "data" / "toy" / "models.yaml").write_text("mine: {factory: test_resnet, licence: my own}\n")
    shown = output(capsys, "--data_path", "data/toy", "--licence", "my own")
    assert "mine" in shown


def test_an_unsupported_mode_is_refused_in_the_same_words_everywhere(
    pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    tuned = msgspec.structs.replace(ENTRIES["resnet18"], training_modes=ENTRIES["dfine_x"].training_modes)
    monkeypatch.setitem(ENTRIES, "resnet18", tuned)
    words = refusal(tuned, "full_training")
    assert words is not None
    assert words in output(capsys, "--guide", "resnet18", "--mode", "full_training", code=2)
    asked = ["--mode", "quick_test", "--models", "resnet18", "--set", "training.mode=full_training"]
    assert grandmaster_train.main(asked) == 2
    assert words in capsys.readouterr().err
    assert not pipeline.runs


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--mode", "fine_tunning"), "Did you mean 'fine_tuning'"),
        (("--task", "detecting"), "Did you mean 'detection'"),
        (("--max_parameters", "-1"), "Give a number above 0"),
        (("--guide", "resnet1"), "no backbone is called 'resnet1'"),
        (("--licence", "nobody's"), "no model is left"),
    ],
)
def test_bad_flags(home: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str) -> None:
    assert said in output(capsys, *flags, code=2)
