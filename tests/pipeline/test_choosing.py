"""Two final submissions: the best, and a good one that differs most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import choose_final as command
from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError
from grandmaster.pipeline.choosing import choose, difference
from grandmaster.pipeline.finished import FinishedRun, open_run
from grandmaster.pipeline.judging import Judge
from grandmaster.pipeline.ledger import FILE_NAME, read_ledger
from grandmaster.storage import read_json, write_csv, write_json
from pipeline.finished_run import copy_run, make_run


def rescored(folder: Path) -> Path:
    """final_results.json as the run's predictions have it."""
    run = open_run(folder)
    oof, results = run.predictions("oof"), run.results
    assert oof is not None
    found = results["cross_validation"] | Judge(run.context).interval(oof)
    write_json(folder / "final_results.json", results | {"cross_validation": found})
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs: `best`; `twin`, nearly as good and nearly the same; `other`, as good as twin but otherwise; `bad`."""
    first = make_run(tmp_path_factory.mktemp("chosen"))
    for name, right, seed in (("best", 0.96, 0), ("twin", 0.92, 0), ("other", 0.92, 5), ("bad", 0.4, 1)):
        copy_run(first, name, right=right, seed=seed)
    for name, wrong in (("twin", 1), ("other", 6)):
        path = first.parent / name / "ensemble" / "test.npz"
        best = Predictions.load(first.parent / "best" / "ensemble" / "test.npz")
        values = best.values.copy()
        values[:wrong] = np.roll(values[:wrong], 1, axis=1)
        Predictions(ids=best.ids, outputs=best.outputs, values=values).save(path)
    for name in ("best", "twin", "other", "bad"):
        rescored(first.parent / name)
    return first.parent


def opened(results: Path, *names: str) -> list[FinishedRun]:
    return [open_run(results / name) for name in names]


def test_the_best_and_a_good_one_that_differs_most(results):
    choice = choose(opened(results, "twin", "bad", "other", "best"))
    assert choice.best.run.name == "best"
    assert choice.second is not None
    assert choice.second.run.name == "other"
    assert choice.second.differs == pytest.approx(6 / 18)
    found = {one.run.name: one for one in choice.candidates}
    assert found["twin"].differs == pytest.approx(1 / 18)
    assert not found["bad"].good, "it differs more, but is worse"
    assert "worse than best" in found["bad"].why
    assert choice.scored_on == "clean"
    assert "of 2 such it differs most" in choice.reasons[1]


def test_a_tolerance_takes_the_place_of_the_verdict(results):
    choice = choose(opened(results, "best", "other", "bad"), tolerance=1.0)
    assert choice.second is not None
    assert choice.second.run.name == "bad"
    assert "within the tolerance of 1" in choice.second.why
    narrow = choose(opened(results, "best", "other", "bad"), tolerance=0.0)
    assert narrow.second is not None
    assert "No run is both good and different" in narrow.reasons[1]


def test_one_run_alone_and_none(results):
    choice = choose(opened(results, "best"))
    assert (choice.second, len(choice.reasons)) == (None, 2)
    with pytest.raises(UserError, match="no finished run"):
        choose([])


def test_runs_of_other_folds_are_compared_by_their_scores(results):
    other = copy_run(results / "first", "refolded", right=0.92, seed=3)
    folds = pd.read_csv(other / "folds.csv", dtype=str)
    write_csv(other / "folds.csv", folds.assign(fold=(folds["fold"].astype(int) + 1) % 3))
    choice = choose(opened(results, "best", "refolded"))
    assert "not paired: the runs have other folds" in choice.candidates[1].why


def test_corrupted_scores_decide_where_all_have_them(results):
    names = []
    for name, clean, like_test in (("pretty", 0.98, 0.5), ("sturdy", 0.9, 0.8)):
        folder = copy_run(results / "first", name, right=clean, corrupted=like_test)
        found = read_json(folder / "final_results.json")
        scores = {"score": like_test, "low": like_test - 0.1, "high": like_test + 0.1}
        write_json(folder / "final_results.json", found | {"corrupted_validation": scores})
        names.append(rescored(folder).name)
    choice = choose(opened(results, *names))
    assert (choice.best.run.name, choice.scored_on) == ("sturdy", "corrupted")
    assert not choice.candidates[1].good


def test_probabilities_differ_by_their_ranks(results):
    best, other = opened(results, "best", "bad")
    for run in (best, other):
        object.__setattr__(run.context.competition, "submission_format", "class_probabilities")
    try:
        assert difference(best, best) == 0
        assert 0.1 < difference(best, other) <= 2
    finally:
        for run in (best, other):
            object.__setattr__(run.context.competition, "submission_format", "hard_label")


def test_every_run_that_ends_is_in_the_ledger(results):
    table = read_ledger(results / FILE_NAME)
    found = read_json(results / "first" / "final_results.json")
    line = table.set_index("experiment").loc["first"]
    assert float(line["cv"]) == pytest.approx(found["cross_validation"]["score"], abs=1e-5)
    assert (line["folds"], line["models"]) == ("3 of 3", "test_resnet")


def test_the_command_shows_reasons_and_copies_only_when_asked(results, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    names = [str(results / name) for name in ("best", "other", "bad")]
    before = sorted(results.rglob("*"))
    assert command.main(names) == 0
    shown = capsys.readouterr().out
    assert "1. best: the best by clean cross-validation" in shown
    assert "2. other: not shown to be worse than best" in shown
    assert sorted(results.rglob("*")) == before
    for name in ("best", "other"):
        (results / name / "submission_first.csv").write_text(name)
    monkeypatch.chdir(tmp_path)
    assert command.main([*names, "--output", str(results), "--copy"]) == 0
    copied = {path.name: path.read_text() for path in (results / "final_submissions").iterdir()}
    assert copied == {"1_best.csv": "best", "2_other.csv": "other"}


def test_the_command_takes_all_finished_runs_of_one_competition(results, tmp_path, capsys):
    assert command.main(["--output", str(results)]) == 0
    shown = capsys.readouterr().out
    for name in ("best", "twin", "bad", "first"):
        assert name in shown
    stranger = copy_run(results / "first", "stranger", right=0.9)
    found = read_json(stranger / "final_results.json")
    write_json(stranger / "final_results.json", found | {"competition": "elsewhere"})
    assert command.main(["--output", str(results)]) == 2
    assert "runs of 2 competitions: data, elsewhere" in capsys.readouterr().err
    assert command.main(["--output", str(results), "--competition", "elsewhere"]) == 0
    assert command.main(["--output", str(tmp_path)]) == 2
    assert command.main(["--tolerance", "-1"]) == 2
