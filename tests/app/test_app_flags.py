"""Every flag of both command lines does what `--help` says."""

from __future__ import annotations

import dataclasses
import io
import re
import shlex
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from app_fakes import FakePipeline, make_competition
from rich.console import Console

import data_loader
import grandmaster_train
import live_view
import options
import score_submission
import utils
from config import BACKBONES, EXPLORE_STAGES, MODES, STAGES
from grandmaster import __version__
from grandmaster.config import Config
from grandmaster.settings import fields

BASE = ["--mode", "full_training"]


def asked(pipeline: FakePipeline, *flags: str) -> Any:
    """The request that a command line leads to."""
    assert grandmaster_train.main([*BASE, *flags]) == 0
    return pipeline.runs[-1]


def check_mode(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    quick, full, ready = (
        asked(pipeline, "--mode", name) for name in ("quick_test", "full_training", "competition_ready")
    )
    assert (quick.models_wanted, quick.config.folds.train, quick.config.folds.count) == (1, 1, 5)
    assert (full.models_wanted, full.config) == (7, Config())
    assert ready.models_wanted == 7
    assert ready.config.training.patience == 0
    assert [request.mode for request in (quick, full, ready)] == [
        "quick_test",
        "full_training",
        "competition_ready",
    ]


def check_data_path(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    other = make_competition(home / "elsewhere" / "cats and dogs")
    request = asked(pipeline, "--data_path", "elsewhere/cats and dogs")
    assert request.data_path == other
    assert request.run_folder.name == "cats_and_dogs_full_training"


def check_experiment_name(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    assert asked(pipeline).run_folder == home / "runs" / "toy_full_training"
    assert asked(pipeline, "--experiment_name", "mine").run_folder == home / "runs" / "mine"


def check_weights_dir(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    (home / "weights").mkdir()
    request = asked(pipeline, "--weights_dir", "weights")
    assert request.config.model.weights_dir == str(home / "weights")
    assert asked(pipeline).config.model.weights_dir is None


def check_dry_run(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    before = sorted(home.rglob("*"))
    assert grandmaster_train.main([*BASE, "--dry_run", "--set", "training.epochs=3"]) == 0
    assert pipeline.runs == []
    assert pipeline.plans[-1].config.training.epochs == 3
    assert sorted(home.rglob("*")) == before
    shown = screen()
    for part in (
        "test is brighter [by 22.6] and turned",
        "convnext_large",
        "8 x 8",
        "14m 30s",
        "5.0 GB",
        "13.0 GB",
        "2h 25m",
        "file:convnext_large ",
        "apache-2.0",
        "12 (convnext_large)",
        "no hub",
        "▲ swin_large starts from scratch",
        "68%",
        "rotation: 68% of test pictures [turned]",
        "photos, classes dashboard, plate [front]",
        "without FilledRotation",
        "HueSaturationValue",
    ):
        assert part in shown
    assert "--set training.epochs=3" in shown
    assert "pseudo-labels" not in shown
    assert grandmaster_train.main([*BASE, "--dry_run", "--allow_test_training"]) == 0
    shown = screen()
    for part in ("not in the total", "pseudo-labels, 1 round", " 10 ", "1h 30m"):
        assert part in shown


def check_models(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    request = asked(pipeline, "--models", "swin_large, resnet50.a1_in1k")
    assert request.config.model.backbones == ("swin_large", "resnet50.a1_in1k")


def check_folds(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    fewer, more = asked(pipeline, "--folds", "2"), asked(pipeline, "--folds", "8")
    assert (fewer.config.folds.train, fewer.config.folds.count) == (2, 5)
    assert (more.config.folds.train, more.config.folds.count) == (8, 8)


def check_set(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    request = asked(
        pipeline,
        "--set",
        "training.epochs=7",
        "--set",
        "hardware.device=cpu",
        "--folds",
        "3",
        "--set",
        "folds.train=4",
    )
    assert request.config.training.epochs == 7
    assert request.config.hardware.device == "cpu"
    assert request.config.folds.train == 3


def check_preset(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    training = asked(pipeline, "--preset", "short_fine_tuning").config.training
    assert (training.learning_rate, training.epochs, training.effective_batch) == (1e-5, 5, 16)
    request = asked(pipeline, "--set", "training.epochs=7", "--preset", "short_fine_tuning")
    assert (request.config.training.epochs, request.config.training.learning_rate) == (7, 1e-5)
    assert "--preset short_fine_tuning" in request.command
    assert grandmaster_train.main([*BASE, "--preset", "short_finetuning"]) == 2


def check_until(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    request = asked(pipeline, "--until", "train")
    assert request.until == "train"
    assert "--until" not in request.command
    assert "Stopped after train" in screen()


def check_vram(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    request = asked(pipeline, "--vram", "16", "--set", "hardware.vram_gb=8")
    assert request.config.hardware.vram_gb == 16.0
    assert " --vram 16 " in request.command
    assert asked(pipeline).config.hardware.vram_gb is None
    assert grandmaster_train.main([*BASE, "--vram", "much"]) == 2


def check_output(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    assert asked(pipeline, "--output", "other/place").run_folder == home / "other/place/toy_full_training"


def check_time_limit(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    request = asked(pipeline, "--time_limit", "1h30m")
    assert request.config.run.time_limit == 90
    assert "--time_limit 1h30m" in request.command
    assert asked(pipeline).config.run.time_limit is None


def check_allow_test_training(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    request = asked(pipeline, "--allow_test_training")
    assert request.config.run.allow_test_training is True
    assert " --allow_test_training" in request.command
    assert asked(pipeline).config.run.allow_test_training is False


def check_plain(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    made: list[live_view.RunView] = []

    def make_view(given: Console, log: utils.RunLog, **how: Any) -> live_view.RunView:
        made.append(original(console, log, **how))
        return made[-1]

    original = live_view.make_view
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_view, "is_interactive", lambda: True)
        patch.setattr(live_view, "make_view", make_view)
        asked(pipeline)
        asked(pipeline, "--plain")
    assert [type(view) for view in made] == [live_view.LiveView, live_view.PlainView]


def check_version(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    with pytest.raises(SystemExit) as end:
        grandmaster_train.main(["--version"])
    assert end.value.code == 0
    assert screen().strip() == f"grandmaster {__version__}"


def check_help(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    with pytest.raises(SystemExit) as end:
        grandmaster_train.main(["--help"])
    assert end.value.code == 0
    shown = screen()
    for field in fields():
        line = next(line for line in shown.splitlines() if line.strip().startswith(f"{field.path} "))
        assert field.type_text in line
        assert field.range_text in line
        assert f"default {'open' if field.default is None else str(field.default).lower()}" in line
        assert field.help
        assert field.help in shown
    for name in (*MODES, *STAGES, *EXPLORE_STAGES, *BACKBONES):
        assert name in re.sub(r"\s+", " ", shown)
    for code in (0, 1, 2, 3, 4, 130):
        assert re.search(rf"^  {code} +\S", shown, re.MULTILINE)


def check_canary(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    """What it does is tested in tests/pipeline/test_canaries.py."""
    import canary

    asked: list[options.Settings] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canary, "run_canaries", lambda settings: asked.append(settings) or 3)
        assert grandmaster_train.main(["--canary", "--set", "training.seed=7"]) == 3
    (settings,) = asked
    assert (settings.mode.name, settings.config.training.seed) == ("quick_test", 7)
    assert not pipeline.runs
    for other in (["--dry_run"], ["--until", "plan"]):
        assert grandmaster_train.main(["--canary", *other]) == 2


def check_compare_modes(pipeline: FakePipeline, home: Path, screen: Callable[[], str]) -> None:
    """Both runs have one folder; what a comparison does has tests of its own."""
    import comparing_modes

    asked: list[Any] = []

    def note(settings: Any, data_path: Path, experiment: str, *others: Any, **more: Any) -> int:
        asked.append((settings.config.model.backbones, data_path.name, experiment))
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing_modes, "run_comparison", note)
        assert (
            grandmaster_train.main(["--mode", "quick_test", "--compare_modes", "--models", "resnet18"]) == 0
        )
    assert asked == [(("resnet18",), "toy", "toy_quick_test_modes_resnet18")]
    assert not pipeline.runs


CHECKS = {
    "--help": check_help,
    "--canary": check_canary,
    "--compare_modes": check_compare_modes,
    "--mode": check_mode,
    "--data_path": check_data_path,
    "--experiment_name": check_experiment_name,
    "--weights_dir": check_weights_dir,
    "--dry_run": check_dry_run,
    "--models": check_models,
    "--folds": check_folds,
    "--set": check_set,
    "--preset": check_preset,
    "--until": check_until,
    "--time_limit": check_time_limit,
    "--output": check_output,
    "--plain": check_plain,
    "--version": check_version,
    "--vram": check_vram,
    "--allow_test_training": check_allow_test_training,
}


def test_every_flag_has_a_test() -> None:
    flags = {action.option_strings[-1] for action in options.make_parser()._actions}
    assert flags == set(CHECKS)


@pytest.mark.parametrize("flag", list(CHECKS))
def test_flag(flag: str, pipeline: FakePipeline, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CHECKS[flag](pipeline, home, lambda: capsys.readouterr().out)


def test_what_is_repeated_here_is_that_of_the_pipeline() -> None:
    """Stages and backbones are named twice, so that `--help` needs no torch; the fake plan has what the real one has."""
    from app_fakes import ModelPlan as FakeModelPlan
    from app_fakes import RunRequest as FakeRunRequest

    from grandmaster.models.registry import LARGE_SEVEN
    from grandmaster.pipeline.plan import ModelPlan, Plan
    from grandmaster.pipeline.run import EXPLORE_STAGES as REAL_EXPLORE_STAGES
    from grandmaster.pipeline.run import STAGES as REAL_STAGES
    from grandmaster.pipeline.run import RunRequest

    assert REAL_STAGES == STAGES
    assert REAL_EXPLORE_STAGES == EXPLORE_STAGES
    assert tuple(LARGE_SEVEN) == BACKBONES
    assert {field.name for field in dataclasses.fields(FakeModelPlan)} <= set(ModelPlan.__struct_fields__)
    request = {field.name for field in dataclasses.fields(RunRequest)}
    assert {field.name for field in dataclasses.fields(FakeRunRequest)} == request
    assert {"models", "notes"} <= set(Plan.__struct_fields__)
    for name in ("lines", "folds_total", "folds_trained"):
        assert hasattr(Plan, name)


def test_stored_command_leads_to_the_same_request(
    pipeline: FakePipeline, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from another folder: it is written as from the repository's root, where paths are looked up too."""
    monkeypatch.setattr(options, "ROOT", home)
    monkeypatch.setattr(data_loader, "ROOT", home)
    monkeypatch.setattr(grandmaster_train, "ROOT", home)
    (home / "my weights").mkdir()
    first = asked(
        pipeline, "--weights_dir", "my weights", "--models", "a,b", "--folds", "2", "--set", "run.minutes=9.5",
        "--preset", "from_scratch",
    )  # fmt: skip
    assert str(home) not in first.command.partition("grandmaster_train.py")[2]
    (home / "04").mkdir()
    monkeypatch.chdir(home / "04")
    assert grandmaster_train.main(shlex.split(first.command)[2:]) == 0
    assert pipeline.runs[-1] == first


# --- score_submission.py ---------------------------------------------------------------------------


class Scored:
    metric_title, value, low, high, level, images = "Macro F1", 0.8123, 0.79, 0.83, 0.9, 2527


SCORE_CHECKS: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "--submission": (["--submission", "other.csv"], {"submission": Path("other.csv")}, "0.8123"),
    "--solution": (["--solution", "truth.csv"], {"solution": Path("truth.csv")}, "2,527 pictures"),
    "--metric": (["--metric", "log_loss"], {"metric": "log_loss"}, "Macro F1"),
    "--title": (
        ["--title", "Final"],
        {"metric": None},
        "Final: Macro F1 0.8123  (90% interval 0.7900 to 0.8300",
    ),
}


def test_every_score_flag_has_a_test() -> None:
    flags = {action.option_strings[-1] for action in score_submission.make_parser()._actions}
    assert flags == {*SCORE_CHECKS, "--help"}


@pytest.mark.parametrize("flag", list(SCORE_CHECKS))
def test_score_flag(flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[dict[str, Any]] = []
    module = types.ModuleType("grandmaster.competition.solution")

    def score_solution(submission: Path, solution: Path, *, metric: str | None) -> Scored:
        calls.append({"submission": submission, "solution": solution, "metric": metric})
        return Scored()

    module.__dict__["score_solution"] = score_solution
    monkeypatch.setitem(sys.modules, module.__name__, module)
    argv, expected, shown = SCORE_CHECKS[flag]
    assert score_submission.main(["--submission", "s.csv", "--solution", "t.csv", *argv]) == 0
    assert expected.items() <= calls[0].items()
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--submission", "s.csv"], "--solution"),
        (["--submission", "s.csv", "--solution", "t.csv", "--metrik", "x"], "Did you mean '--metric'?"),
        (["--submission", "s.csv", "--solution", "t.csv", "--metric", "macrof1"], "Did you mean 'macro_f1'?"),
    ],
)
def test_score_bad_input(argv: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert score_submission.main(argv) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1
