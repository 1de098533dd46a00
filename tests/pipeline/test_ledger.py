"""The ledger is brought up to date by runs and never loses what the person wrote."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import board_score as command
from grandmaster.errors import UserError
from grandmaster.pipeline.ledger import (
    COLUMNS,
    FILE_NAME,
    correlations,
    read_ledger,
    record_board,
    record_run,
)
from grandmaster.storage import file_sha256, write_json


def make_run(
    results: Path, name: str, score: float, *, corrupted: float | None = None, **others: Any
) -> Path:
    """A folder with a result and a submission."""
    folder = results / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "submission.csv").write_text(f"id,target\na,{score}\n")
    (folder / "config.json").write_text("{}")
    spread = (
        None if corrupted is None else {"score": corrupted, "low": corrupted - 0.1, "high": corrupted + 0.1}
    )
    write_json(
        folder / "final_results.json",
        {
            "created": "2026-01-01T00:00:00+00:00",
            "competition": "shapes",
            "metric": "macro_f1",
            "cross_validation": {
                "score": score, "low": score - 0.05, "high": score + 0.05, "folds_trained": 2, "folds_total": 5
            },
            "corrupted_validation": spread,
            "models": [{"backbone": "a"}, {"backbone": "a"}, {"backbone": "b"}],
            "submission": {"file": "submission.csv"},
            **others,
        },
    )  # fmt: skip
    return folder


def test_a_run_has_one_line_that_follows_its_result(tmp_path):
    run = make_run(tmp_path, "first", 0.8, corrupted=0.7)
    record_run(run)
    record_run(make_run(tmp_path, "second", 0.9))
    make_run(tmp_path, "first", 0.85)
    record_run(run)
    table = read_ledger(tmp_path / FILE_NAME)
    assert tuple(table.columns) == COLUMNS
    first, second = table.to_dict("records")
    assert (first["experiment"], first["cv"], first["cv_low"], first["corrupted"]) == (
        "first",
        "0.85",
        "0.8",
        "",
    )
    assert (second["models"], second["folds"], second["public"]) == ("a + b", "2 of 5", "")
    assert first["submission_sha256"] == file_sha256(run / "submission.csv")


def test_what_the_person_wrote_stays(tmp_path):
    """Typed scores, a column of their own, a note, another order of columns, a byte order mark."""
    run = make_run(tmp_path, "=1+2|'calc'!A0", 0.8)
    record_run(run)
    path = tmp_path / FILE_NAME
    table = read_ledger(path)
    table.loc[0, "public"] = "0.7700"
    table["note"] = "@me, looks good"
    path.write_text("\ufeff" + table[list(table.columns)[::-1]].to_csv(index=False), encoding="utf-8")
    make_run(tmp_path, run.name, 0.81)
    record_run(run)
    record_run(make_run(tmp_path, "@other", 0.7))
    first, second = read_ledger(path).to_dict("records")
    assert first["experiment"] == "=1+2|'calc'!A0"
    assert (first["public"], first["cv"], first["note"]) == ("0.7700", "0.81", "@me, looks good")
    assert (second["experiment"], second["note"]) == ("@other", "")
    record_board(run, {"private": 0.75})
    assert read_ledger(path).loc[0, ["public", "private"]].tolist() == ["0.7700", "0.75"]


def test_runs_that_end_at_once_all_have_their_line(tmp_path):
    runs = [make_run(tmp_path, f"run{number:02d}", 0.5 + number / 100) for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(record_run, runs))
    assert sorted(read_ledger(tmp_path / FILE_NAME)["experiment"]) == [run.name for run in runs]


def test_a_ledger_that_is_none_and_a_run_without_result_are_refused(tmp_path):
    run = make_run(tmp_path, "first", 0.8)
    (tmp_path / FILE_NAME).write_text("a;b\n1;2\n")
    with pytest.raises(UserError, match="'experiment' is missing"):
        record_run(run)
    assert (tmp_path / FILE_NAME).read_text() == "a;b\n1;2\n", "nothing is overwritten"
    (run / "final_results.json").unlink()
    with pytest.raises(UserError, match="no result yet"):
        record_run(run)
    with pytest.raises(UserError, match="no score"):
        record_board(run, {"public": float("nan")})


def ledger(cv: list[float], public: list[float]) -> pd.DataFrame:
    rows = {"competition": "shapes", "metric": "macro_f1", "cv": map(str, cv), "public": map(str, public)}
    return pd.DataFrame(rows).assign(corrupted="", private="")


def test_correlations_are_told_from_three_runs_on_with_caution():
    assert correlations(ledger([0.1, 0.2], [0.3, 0.4])) == []
    (line,) = correlations(ledger([0.1, 0.2, 0.3], [0.3, 0.4, 0.5]))
    assert "clean CV against the public score: rank correlation +1.00 over 3 runs" in line
    assert "next to nothing" in line
    assert "interval" not in line
    scores = [0.1 * number for number in range(8)]
    (line,) = correlations(ledger(scores, [*scores[:6], 0.3, 0.1]))
    assert "95% interval" in line
    assert "With 8 runs take it as a hint" in line
    (line,) = correlations(ledger(scores[:3], [0.5, 0.5, 0.5]))
    assert "nothing to correlate" in line
    other = ledger(scores[:3], scores[:3])
    other["metric"] = ["macro_f1", "accuracy", "accuracy"]
    assert correlations(other) == [], "runs of other metrics are not compared"


def test_the_command_notes_and_shows(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    for number, name in enumerate("abc"):
        run = make_run(tmp_path, name, 0.5 + number / 10, corrupted=0.4 + number / 10)
        assert command.main([str(run), "--public", str(0.45 + number / 10)]) == 0
    shown = capsys.readouterr().out
    assert "0.65" in shown
    assert "corrupted CV against the public score: rank correlation +1.00 over 3 runs" in shown
    assert read_ledger(tmp_path / FILE_NAME)["public"].tolist() == ["0.45", "0.55", "0.65"]
    assert command.main([str(tmp_path / "a"), "--private", "much"]) == 2
    assert "--private" in capsys.readouterr().err
    assert command.main([str(tmp_path / "a")]) == 0, "shows the ledger as it is"
    assert read_ledger(tmp_path / FILE_NAME)["public"].tolist() == ["0.45", "0.55", "0.65"]
