"""The Tab key, pressed in a real bash: flags and their values, and never a command that runs because it was pressed."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import completion
import data_loader
import options
from config import BACKBONES, EXPLORE_STAGES, MODES

HERE = data_loader.ROOT / "04_training"
PROGRAMS = sorted(
    path.stem
    for path in HERE.glob("*.py")
    if "def make_parser()" in path.read_text(encoding="utf-8") and path.stem != "options"
)
# Numbers and free text: nothing can be offered for them.
FREE = {
    *(
        "--folds",
        "--vram",
        "--time_limit",
        "--port",
        "--host",
        "--top",
        "--min_confidence",
        "--public",
        "--private",
    ),
    *("--tolerance", "--competition", "--user", "--title", "--minutes", "--times", "--workers", "--message"),
    *("--kernel", "--version", "--licence", "--max_parameters", "--fits_vram", "--images", "--fit"),
}


def parser_of(program: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = importlib.import_module(program).make_parser()
    return made


def test_every_value_of_every_command_is_offered_or_free() -> None:
    assert len(PROGRAMS) >= 11
    for program in [*PROGRAMS, "options"]:
        for action in parser_of(program)._actions:
            name = action.option_strings[0] if action.option_strings else action.dest
            if action.nargs == 0:
                continue
            offered = completion.completer_of(parser_of(program).prog, action) is not completion.nothing
            assert offered or name in FREE, f"{name} of {program}.py: a line in completion.py, or in FREE"


@pytest.mark.parametrize("program", [*PROGRAMS, "grandmaster_train"])
def test_a_shell_knows_which_commands_answer(program: str) -> None:
    assert b"PYTHON_ARGCOMPLETE_OK" in (HERE / f"{program}.py").read_bytes()[:1024]


def offered(completer: completion.Completer, prefix: str = "", **given: object) -> list[str]:
    """As a shell would show it: only what begins as the word does."""
    return [word for word in completer(prefix, argparse.Namespace(**given)) if word.startswith(prefix)]


def test_runs_and_competitions_are_those_that_there_are(home: Path) -> None:
    for name in ("first", "second run"):
        (home / "runs" / name).mkdir(parents=True)
        (home / "runs" / name / "config.json").write_text("{}")
    (home / "runs" / ".cache").mkdir()
    assert offered(completion.run_names) == ["first", "second run"]
    assert offered(completion.run_names, "runs/f") == ["runs/first/"]
    assert offered(completion.several(completion.run_names), "first,") == ["first,second run"]
    assert offered(completion.run_folders, "runs/") == ["runs/first", "runs/second run"]
    assert offered(completion.competitions) == ["data/toy", "data/", "runs/"]
    assert offered(completion.run_names, output="elsewhere") == []
    fit = home / "runs" / "first" / "fold_0" / "resnet18"
    fit.mkdir(parents=True)
    (fit / "spec.json").write_text("{}")
    assert offered(completion.fits, run="runs/first") == []
    (fit / "manifest.json").write_text("{}")
    assert offered(completion.fits, run="runs/first") == ["fold_0/resnet18"]


def test_every_setting_has_its_values(home: Path) -> None:
    values = {field.path: offered(completion.settings, f"{field.path}=") for field in completion.fields()}
    assert values["training.loss"][:2] == ["training.loss=auto", "training.loss=cross_entropy"]
    assert values["training.find_rate"] == ["training.find_rate=true", "training.find_rate=false"]
    assert values["training.epochs"] == ["training.epochs=none"], "open: the plan decides"
    assert values["folds.count"] == []
    assert offered(completion.settings, "folds.") == ["folds.count=", "folds.train=", "folds.seed="]
    assert "model.backbones=swin_large,vit_large" in offered(
        completion.settings, "model.backbones=swin_large,v"
    )


def test_models_presets_and_stages(home: Path) -> None:
    models = offered(completion.backbones)
    assert models[:7] == list(BACKBONES)
    assert "mobilenetv2_100" in models
    assert "dfine_x" not in models, "it cannot be trained here"
    assert "dfine_x" in offered(completion.registered)
    assert {"advanced_loss", "swin_rgb_mask"} <= set(offered(completion.recipes))
    (home / "mine.yaml").write_text("about: x\n")
    assert offered(completion.recipes, "m") == ["mine.yaml"]
    assert tuple(offered(completion.stages, mode="explore")) == EXPLORE_STAGES
    assert "report" in offered(completion.stages, mode=None)


# --- in bash ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shell_code() -> str:
    """What a person's shell reads once."""
    argcomplete = pytest.importorskip("argcomplete")
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    return (Path(argcomplete.__file__).parent / "bash_completion.d" / "_python-argcomplete").read_text()


@pytest.fixture
def environment() -> dict[str, str]:
    """In which `python` is the one of these tests."""
    found = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COMP_"))}
    return found | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture
def tab(shell_code: str, environment: dict[str, str], tmp_path: Path) -> Callable[[str], list[str]]:
    """What Tab offers at the end of a line, typed in a folder that holds `data/` and `runs/`."""
    for name in ("one", "other"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text("{}")
    (tmp_path / "data" / "cats").mkdir(parents=True)

    def press(line: str) -> list[str]:
        # As bash does it: the words, the place, the function that is registered for commands without their own.
        script = f"""
{shell_code}
complete -p -D | grep -q _python_argcomplete_global || exit 7
compopt() {{ :; }}
COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9
read -ra COMP_WORDS <<< "$COMP_LINE"
[[ "$COMP_LINE" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_python_argcomplete_global "${{COMP_WORDS[0]}}" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        ended = subprocess.run(
            ["bash", "--norc", "--noprofile", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return [word for word in ended.stdout.splitlines() if word]

    return press


TRAIN = f"python {HERE / 'grandmaster_train.py'}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{TRAIN} --mo", ["--mode", "--models"]),
        (f"{TRAIN} --mode ", list(MODES)),
        (f"{TRAIN} --mode explore --until ", list(EXPLORE_STAGES)),
        (f"{TRAIN} --models swin_large,conv", ["swin_large,convnext_large"]),
        (f"{TRAIN} --preset adv", ["advanced_loss"]),
        (f"{TRAIN} --set training.find", ["training.find_rate="]),
        (f"{TRAIN} --set training.loss=f", ["focal"]),
        (f"{TRAIN} --data_path da", ["data/"]),
        (f"{TRAIN} --output runs --experiment_name ", ["one", "other"]),
        (f"python {HERE / 'choose_final.py'} --output runs ot", ["other"]),
        (
            f"python {HERE / 'compare_runs.py'} runs/one,runs/o",
            ["runs/one,runs/one/", "runs/one,runs/other/"],
        ),
        (f"python {HERE / 'compare_runs.py'} runs/o", ["runs/one/", "runs/other/"]),
        (f"python {HERE / 'dashboard.py'} --port ", []),
    ],
)
def test_bash_offers(tab: Callable[[str], list[str]], line: str, words: list[str]) -> None:
    assert tab(line) == words


def test_a_key_press_in_a_terminal_completes(
    shell_code: str, environment: dict[str, str], tmp_path: Path
) -> None:
    pexpect = pytest.importorskip("pexpect")
    (tmp_path / "code.sh").write_text(shell_code)
    terminal = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile", "-i"],
        cwd=tmp_path,
        env=environment | {"TERM": "dumb"},
        encoding="utf-8",
        dimensions=(40, 200),
        timeout=120,
    )
    terminal.sendline(". ./code.sh; echo rea'dy'")
    terminal.expect("\nready")
    terminal.send(f"{TRAIN} --mode qu\t")
    terminal.expect(r"--mode quick_test ")
    terminal.send("--dry\t")
    terminal.expect(r"--dry_run ")
    terminal.close(force=True)


# --- what must not happen -----------------------------------------------------------------------------------------


def test_a_command_never_runs_because_tab_was_pressed(tmp_path: Path) -> None:
    (tmp_path / "argcomplete.py").write_text("raise ModuleNotFoundError('argcomplete')\n")
    ended = subprocess.run(
        [sys.executable, HERE / "choose_final.py"],  # as a shell asks: without the flags
        env=os.environ | {"_ARGCOMPLETE": "1", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "")


def test_help_loads_nothing_of_it(home: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-X", "importtime", HERE / "grandmaster_train.py", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in said.stderr.splitlines()}
    assert "options" in loaded
    assert not {"completion", "argcomplete", "torch", "rich"} & loaded


def test_folders_that_cannot_be_read_offer_nothing(home: Path) -> None:
    parser = options.make_parser()
    (action,) = [one for one in parser._actions if "--weights_dir" in one.option_strings]
    ask = completion._asked(completion.completer_of(parser.prog, action))
    assert ask("nowhere/x", argparse.Namespace()) == []
    assert ask("", argparse.Namespace()) == ["data/"]
