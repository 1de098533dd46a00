"""Two runs are compared by id on the same folds, or refused with what differs."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import compare_runs as command
from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.pipeline.finished import open_run
from grandmaster.pipeline.run_comparison import compare_runs
from grandmaster.report.texts import speaker
from grandmaster.storage import read_json, write_csv, write_json
from pipeline.finished_run import copy_run, make_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`weak`, `strong` and their like with other seeds."""
    first = make_run(tmp_path_factory.mktemp("compared"))
    for seed in (0, 1):
        copy_run(first, f"weak{seed}", right=0.5, seed=seed)
        copy_run(first, f"strong{seed}", right=0.9, seed=seed)
    return first.parent


def changed(runs: Path, name: str) -> Path:
    return copy_run(runs / "first", name, right=0.7)


def test_better_whatever_the_order_of_the_rows(runs):
    weak, strong = open_run(runs / "weak0"), open_run(runs / "strong0")
    path = runs / "strong0" / "ensemble" / "oof.npz"
    kept = Predictions.load(path)
    kept.aligned_to(kept.ids[::-1]).save(path)
    found = compare_runs([weak], [strong])
    assert found.clean.verdict == "better"
    assert found.corrupted is None
    assert found.rows == 48
    assert found.sentence.startswith("strong0 is better than weak0: macro F1")
    assert compare_runs([strong], [weak]).clean.verdict == "worse"
    assert compare_runs([weak], [weak]).clean.gain == 0
    seeds = compare_runs(*([open_run(runs / f"{name}{s}") for s in (0, 1)] for name in ("weak", "strong")))
    assert len(seeds.clean.by_fold) == 6
    assert "3 folds x 2 seeds" in seeds.sentence


def test_other_folds_labels_or_metric_are_refused(runs):
    weak = open_run(runs / "weak0")
    other = changed(runs, "other_folds")
    folds = pd.read_csv(other / "folds.csv", dtype=str)
    folds.loc[0, "fold"] = str((int(folds.loc[0, "fold"]) + 1) % 3)
    write_csv(other / "folds.csv", folds)
    with pytest.raises(UserError, match="other folds: 1 of 48 pictures"):
        compare_runs([weak], [open_run(other)])
    write_csv(other / "folds.csv", folds.iloc[1:])
    with pytest.raises(UserError, match="other training pictures: 48 and 47"):
        compare_runs([weak], [open_run(other)])
    other = changed(runs, "other_metric")
    settings = read_json(other / "config.json")
    settings["data"]["metric"] = "accuracy"
    write_json(other / "config.json", settings)
    with pytest.raises(UserError, match="other metrics: macro_f1 and accuracy"):
        compare_runs([weak], [open_run(other)])
    other = changed(runs, "other_labels")
    settings = read_json(other / "config.json")
    fixes = runs / "fixes.csv"
    fixes.write_text("id,label\ntrain000.png,1\n")
    settings["data"]["label_fixes"] = str(fixes)
    write_json(other / "config.json", settings)
    with pytest.raises(UserError, match="other labels: 1 of 48"):
        compare_runs([weak], [open_run(other)])
    with pytest.raises(UserError, match="2 runs against 1"):
        compare_runs([weak, weak], [weak])


def test_runs_that_trained_other_folds_are_compared_on_those_of_both(runs):
    other = changed(runs, "one_fold")
    path = other / "ensemble" / "oof.npz"
    kept = Predictions.load(path)
    folds = pd.read_csv(other / "folds.csv", dtype={"id": str}).set_index("id")["fold"]
    kept.aligned_to([picture for picture in kept.ids if folds[picture] == 1]).save(path)
    found = compare_runs([open_run(runs / "weak0")], [open_run(other)])
    assert found.rows == 16
    (note,) = found.notes
    assert note.text == "compared on folds 1 only, which all have trained"
    assert note.said(speaker("ko")) == "모두 학습한 fold 1에서만 비교했습니다"
    assert found.clean.corrected is None


def test_an_unfinished_run_and_moved_data_say_what_to_do(runs, tmp_path):
    with pytest.raises(UserError, match="no such run"):
        open_run(runs / "nowhere")
    other = changed(runs, "unfinished")
    (other / "final_results.json").unlink()
    with pytest.raises(UserError, match=r"not come to its end: no final_results.json"):
        open_run(other)
    other = changed(runs, "moved")
    settings = read_json(other / "config.json")
    write_json(other / "config.json", settings | {"data_path": str(tmp_path / "gone")})
    with pytest.raises(UserError, match="data are gone"):
        open_run(other)
    assert open_run(other, data_path=runs.parent / "data").name == "moved"


def test_the_command_prints_a_table_and_a_sentence_for_every_pair(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    paths = [str(runs / name) for name in ("weak0", "strong0", "weak1")]
    assert command.main(paths) == 0
    shown = capsys.readouterr().out
    assert "strong0 is better than weak0" in shown
    assert "No difference shown between weak0 and weak1" in shown
    assert "Corrected t" in shown
    assert "3 / 3" in shown
    assert "the best looks better than it is" in shown
    assert command.main([f"{paths[0]},{paths[2]}", f"{paths[1]},{paths[1]}"]) == 0
    assert "strong0 + strong0 is better than weak0 + weak1" in capsys.readouterr().out


def test_the_command_speaks_korean_where_the_reader_does(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("GRANDMASTER_LANG", "ko")
    assert command.main([str(runs / "weak0"), str(runs / "strong0")]) == 0
    shown = capsys.readouterr().out
    assert "strong0이(가) weak0보다 좋습니다" in shown
    for word in ("부트스트랩", "보정 t", "더 좋음", "원본"):
        assert word in shown
    english = set(re.findall(r"[a-z]{4,}", re.sub(r"weak0|strong0|\S*\.html", "", shown)))
    assert english == {"macro", "fold"}


def test_no_column_is_left_out_of_a_narrow_table(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert command.main([str(runs / "weak0"), str(runs / "weak1")]) == 0
    table = capsys.readouterr().out.partition("No difference shown")[0].split()
    for word in ("Pictures", "Before", "Bootstrap", "Corrected", "ahead", "Verdict", "difference"):
        assert word in table


def test_the_command_refuses_one_run_and_unknown_names(runs, capsys, monkeypatch):
    import options

    monkeypatch.setattr(options, "RESULTS_FOLDER", runs)
    assert command.main(["weak0"]) == 2
    assert "nothing to compare it with" in capsys.readouterr().err
    assert command.main(["weak0", "strung0"]) == 2
    assert "Did you mean 'strong0'?" in capsys.readouterr().err
    assert command.main(["weak0", "strong0"]) == 0
