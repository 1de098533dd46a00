"""A run's bundle for Kaggle from the command line, both notebooks, the offline proof, and handing in."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

import grandmaster_train
import kaggle_bundle
import kaggle_code
import kaggle_names
import kaggle_proof
import submit
from _source_roots import ROOT
from grandmaster.competition.reader import read_competition
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.pipeline.ledger import read_ledger
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from pipeline.small_competition import SETTINGS, request, write_competition

SMALL = ("hardware.picture_cache_gb=0", "training.epochs=1")
USER = ("--user", "some_one")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("kaggle")
    data = write_competition(place / "squares")
    run_pipeline(request(data, place / "runs" / "first", *SMALL, until="submit"), SilentProgress())
    return place / "runs" / "first"


@pytest.fixture(scope="module")
def made(run: Path) -> Path:
    """The bundle, in `kaggle/` of the run's folder."""
    assert kaggle_bundle.main(["--run", str(run), *USER, "--minutes", "7"]) == 0
    return run / "kaggle"


def data_of(run: Path) -> Path:
    return run.parents[1] / "squares"


def labels(path: Path) -> dict[str, str]:
    frame = pd.read_csv(path, dtype=str)
    return dict(zip(frame["ID"], frame["target"], strict=True))


def test_the_bundle_is_what_the_client_wants(made: Path) -> None:
    dataset = json.loads((made / "dataset" / "dataset-metadata.json").read_text())
    assert dataset == {
        "title": "first bundle",
        "id": "some_one/first-bundle",
        "licenses": [{"name": "other"}],
    }
    kernel = json.loads((made / "kernel" / "kernel-metadata.json").read_text())
    assert kernel["id"] == "some_one/first-infer"
    assert kernel["dataset_sources"] == ["some_one/first-bundle"]
    assert kernel["competition_sources"] == ["squares"]
    assert (kernel["enable_gpu"], kernel["enable_internet"]) == (True, False)
    assert kernel["machine_shape"] == "NvidiaTeslaT4"
    notebook = nbformat.read(made / "kernel" / kernel["code_file"], as_version=4)
    nbformat.validate(notebook)
    assert "\nMINUTES = 7  # " in next(cell.source for cell in notebook.cells if cell.metadata.get("tags"))


def test_the_dataset_holds_what_predicting_needs_and_nothing_else(made: Path) -> None:
    dataset = made / "dataset"
    assert {path.name for path in dataset.iterdir()} == {
        *("bundle.json", "code", "members", "dataset-metadata.json", "wheels.txt")
    }
    code = {path.relative_to(dataset / "code").as_posix() for path in (dataset / "code").rglob("*.py")}
    assert {"04_training/kaggle_infer.py", "03_modeling/grandmaster/pipeline/inferring.py"} <= code
    assert not any("/report/" in path or "/eda/" in path or "grandmaster_train" in path for path in code)
    members = sorted(path.name for path in (dataset / "members").iterdir())
    assert len(members) == 2
    for name in members:
        files = {path.name for path in (dataset / "members" / name).rglob("*") if path.is_file()}
        assert files == {"spec.json", "best.json", "best.safetensors"}
    wheels = (dataset / "wheels.txt").read_text().split()
    assert any(one.startswith("msgspec==") for one in wheels)
    assert any(one.startswith("stringzilla==") for one in wheels), "what albumentations needs in turn"
    assert not any(one.startswith(("torch==", "numpy==", "questionary==")) for one in wheels)


def test_it_says_sizes_and_what_comes_next(run: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kaggle_bundle.main(["--run", str(run), *USER, "--out", str(made), "--minutes", "7"]) == 0
    said = capsys.readouterr().out
    assert "2 models" in said
    assert "of 100 GB of private datasets" in said
    assert "--wheels" in said
    assert f"kaggle datasets create -p {made / 'dataset'} --dir-mode zip" in said
    assert f"kaggle kernels push -p {made / 'kernel'}" in said
    assert "kaggle competitions submit squares -k some_one/first-infer -v 1 -f submission.csv" in said


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--user", "Some One"], "is no address of Kaggle's"),
        ([*USER, "--title", "short"], "Kaggle wants 6 to 50"),
        ([*USER, "--title", "x" * 51], "Kaggle wants 6 to 50"),
        ([*USER, "--title", "문서 분류 모델"], "shorter than 6"),
        ([*USER, "--competition", "Digit Recognizer!"], "is no address of Kaggle's"),
        ([*USER, "--minutes", "0"], "is too few"),
        ([*USER, "--student"], "has no student"),
    ],
)
def test_what_kaggle_would_refuse_is_refused_here(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert kaggle_bundle.main(["--run", str(run), "--out", str(tmp_path / "out"), *flags]) == 2
    assert message in capsys.readouterr().err


def test_a_name_on_kaggle_is_needed(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME", raising=False)
    assert kaggle_bundle.main(["--run", str(run)]) == 2
    assert "--user" in capsys.readouterr().err


def test_a_folder_of_other_things_is_left_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.txt").write_text("mine")
    assert kaggle_bundle.main(["--run", str(run), *USER, "--out", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert (tmp_path / "dataset" / "mine.txt").exists()


def test_titles_and_addresses() -> None:
    assert kaggle_names.slug_of("Été  2026: V2.1 ") == "ete-2026-v2-1"
    assert kaggle_names.fitting_title("x" * 80, "bundle") == "x" * 43 + " bundle"
    assert kaggle_names.fitting_title("___", "infer") == "grandmaster infer"


def test_a_dataset_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").write_bytes(b"0" * 2000)
    monkeypatch.setattr(kaggle_names, "QUOTA_GB", 1000 / 2**30)
    with pytest.raises(UserError, match="private datasets"):
        kaggle_names.size_lines(tmp_path)


def test_the_wheels_are_those_of_kaggles_python(tmp_path: Path) -> None:
    command = kaggle_code.wheel_command(["msgspec==0.19"], tmp_path)
    assert command[command.index("--python-version") + 1] == "3.12"
    assert "--only-binary=:all:" in command
    assert command[-1] == "msgspec==0.19"


def executed(path: Path, folder: Path, **values: Any) -> str:
    """Everything that a notebook printed."""
    notebook = nbformat.read(path, as_version=4)
    place = next(number for number, cell in enumerate(notebook.cells) if cell.metadata.get("tags"))
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source))
    client = NotebookClient(
        notebook, timeout=250, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_the_notebook_predicts_what_the_run_did(run: Path, made: Path, tmp_path: Path) -> None:
    attached, working = tmp_path / "input", tmp_path / "working"
    shutil.copytree(made / "dataset", attached / "datasets" / "some_one" / "first-bundle")
    shutil.copytree(data_of(run), attached / "competitions" / "squares")
    working.mkdir()
    said = executed(
        made / "kernel" / "03_infer_on_kaggle.ipynb",
        tmp_path,
        INPUT=str(attached),
        OUTPUT=str(working),
        DATA=str(attached / "competitions" / "squares"),
    )
    assert labels(working / "submission.csv") == labels(run / "submission_first.csv")
    assert "2 models predicted 18 of 18 pictures" in said
    told = json.loads((working / "inference.json").read_text())
    assert told["rows"] == 18
    assert told["gave_up"] == []


def test_the_training_notebook_goes_on_with_what_is_attached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attached, working = tmp_path / "input", tmp_path / "working"
    data = write_competition(attached / "squares")
    made = tmp_path / "made"
    flags = ["--train", *USER, "--competition", "squares", "--out", str(made)]
    assert kaggle_bundle.main(flags) == 0
    shutil.copytree(made / "dataset", attached / "grandmaster-code")
    chosen = [word for setting in (*SETTINGS, *SMALL) for word in ("--set", setting)]
    before = attached / "earlier" / "training_results"
    earlier = ["--mode", "quick_test", "--data_path", str(data), "--output", str(before), "--plain", *chosen]
    monkeypatch.setenv("GRANDMASTER_LANG", "en")
    assert grandmaster_train.main([*earlier, "--until", "train"]) == 0
    working.mkdir()
    said = executed(
        made / "kernel" / "02_train_on_kaggle.ipynb",
        tmp_path,
        INPUT=str(attached),
        OUTPUT=str(working),
        DATA=str(data),
        MODE="quick_test",
        TIME_LIMIT="20m",
        FLAGS=chosen,
    )
    assert "going on with" in said
    assert "done before" in said
    assert len(labels(working / "submission.csv")) == 18
    assert (working / "report.html").exists()


def test_a_hidden_test_set_is_made_of_copies(run: Path, tmp_path: Path) -> None:
    competition = read_competition(data_of(run), DataConfig())
    assert kaggle_proof.hidden_test(competition, tmp_path / "hidden", 3) == (54, 3)
    again = read_competition(tmp_path / "hidden", DataConfig())
    assert again.test["id"].tolist()[18] == "copy1_test000.png"
    assert len(again.train) == len(competition.train)
    assert len(read_competition(data_of(run), DataConfig()).test) == 18, "the competition is as it was"


@pytest.mark.slow
def test_the_bundle_is_proven_alone_and_offline(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--run", str(run), *USER, "--out", str(tmp_path), "--prove", "--minutes", "5"]
    assert kaggle_bundle.main(flags) == 0
    said = capsys.readouterr().out
    assert "Proven: 90 rows of 90 pictures (5 times the test set, under new ids)" in said
    assert "by 2 models" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("import socket; socket.create_connection(('kaggle.com', 443))", "network: socket.getaddrinfo"),
        ("open(__file__ + '.cache', 'w')", "write: "),
        ("raise SystemExit(9)", "ended with code 9"),
        (
            f"sys.path.insert(0, {str(ROOT / '03_modeling')!r}); import grandmaster.texts",
            "code from elsewhere",
        ),
    ],
)
def test_a_bundle_that_needs_more_than_kaggle_gives_is_found_out(
    run: Path, made: Path, tmp_path: Path, line: str, seen: str
) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(made / "dataset", dataset)
    program = dataset / "code" / "04_training" / "kaggle_infer.py"
    text, place = program.read_text(), "import sys\n"
    assert text.count(place) == 1
    program.write_text(text.replace(place, f"{place}{line}\n"))
    competition = read_competition(data_of(run), DataConfig())
    with pytest.raises(kaggle_proof.NotProven, match=seen):
        kaggle_proof.prove(dataset, competition, times=1, minutes=5)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `kaggle` on PATH that keeps its arguments in `asked.json`; CLIENT_SAYS and CLIENT_CODE say how it ends."""
    place = tmp_path / "bin"
    place.mkdir()
    script = place / "kaggle"
    script.write_text(
        "#!/bin/sh\n"
        f'for word in "$@"; do printf "%s\\n" "$word" >> "{tmp_path}/asked.txt"; done\n'
        'echo "${CLIENT_SAYS:-Successfully submitted to Squares}"\nexit ${CLIENT_CODE:-0}\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return tmp_path / "asked.txt"


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    """A copy to hand in."""
    shutil.copytree(run, tmp_path / "runs" / "first", ignore=shutil.ignore_patterns("kaggle"))
    return tmp_path / "runs" / "first"


def test_without_yes_nothing_is_sent(own_run: Path, client: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit.main([str(own_run)]) == 0
    said = capsys.readouterr().out
    assert "gate:        passed" in said
    assert "kaggle competitions submit squares -m 'first: macro F1 " in said
    assert "--yes" in said
    assert "not installed" not in said
    assert not client.exists()
    assert not (own_run.parent / "LEADERBOARD.csv").exists()


def test_without_yes_a_missing_client_is_told_too(
    own_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert submit.main([str(own_run)]) == 0
    assert (
        "note: the official client `kaggle` is not installed. pip install kaggle" in capsys.readouterr().out
    )
    assert submit.main([str(own_run), "--yes"]) == 2


def test_with_yes_it_is_handed_in_and_noted(own_run: Path, client: Path) -> None:
    assert submit.main([str(own_run), "--message", "my best; really", "--yes"]) == 0
    file = own_run / "submission_first.csv"
    words = ["competitions", "submit", "squares", "-m", "my best; really", "-f", str(file)]
    assert client.read_text().splitlines() == words
    table = read_ledger(own_run.parent / "LEADERBOARD.csv")
    assert table["experiment"].tolist() == ["first"]
    assert table["submitted"][0].endswith("UTC to squares")
    assert submit.main([str(own_run), "--yes"]) == 0
    assert read_ledger(own_run.parent / "LEADERBOARD.csv")["submitted"][0].count("UTC to squares") == 2


def test_a_code_competition_is_given_the_notebook(own_run: Path, client: Path) -> None:
    flags = ["--kernel", "some_one/first-infer", "--version", "3", "--message", "m", "--yes"]
    assert submit.main([str(own_run), *flags]) == 0
    words = client.read_text().splitlines()
    assert words[words.index("-f") :] == ["-f", "submission.csv", "-k", "some_one/first-infer", "-v", "3"]


@pytest.mark.parametrize(
    ("says", "code"), [("403 - Forbidden", "1"), ("Could not submit to competition", "0")]
)
def test_what_the_client_refused_is_not_noted(
    own_run: Path,
    client: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    says: str,
    code: str,
) -> None:
    monkeypatch.setenv("CLIENT_SAYS", says)
    monkeypatch.setenv("CLIENT_CODE", code)
    assert submit.main([str(own_run), "--yes"]) == 1
    assert says in capsys.readouterr().out
    assert not (own_run.parent / "LEADERBOARD.csv").exists()


def test_a_file_that_fails_the_gate_is_not_sent(
    own_run: Path, client: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = own_run / "submission_first.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    assert submit.main([str(own_run), "--yes"]) == 3
    assert "1 ids are missing" in capsys.readouterr().out
    assert not client.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--kernel", "some_one/x-infer"], "go together"),
        (["--kernel", "x-infer", "--version", "1"], "names no user"),
        (["--kernel", "a_b/x-infer", "--version", "one"], "is no number"),
        (["--competition", "Not A Slug"], "is no address"),
        (["--yes"], "pip install kaggle"),
    ],
)
def test_what_is_wrong_is_said(
    own_run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert submit.main([str(own_run), *flags]) == 2
    assert message in capsys.readouterr().err
