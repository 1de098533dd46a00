"""Runs that stopped on the way, and numbers that are null: the page stays clean and says what is absent."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from grandmaster.competition.table import Competition
from grandmaster.errors import UserError
from grandmaster.report.html import write_report
from report.page import Page

UGLY = re.compile(r"\b(None|nan|NaN|null|inf|Undefined|True|False)\b")


def clean(run: Path, competition: Competition) -> Page:
    """The page, after a look for what a person must never see."""
    page = Page(write_report(run, competition).read_text(encoding="utf-8"))
    found = UGLY.search(page.text())
    assert found is None, page.text()[max(0, found.start() - 80) : found.end() + 80]
    styles = [attrs["style"] or "" for _, attrs in page.tags if "style" in attrs]
    assert not any(UGLY.search(style) for style in styles)
    return page


@pytest.mark.parametrize(
    ("name", "section", "says"),
    [
        ("final_results.json", "result", "This run has no cross-validated score yet."),
        ("final_results.json", "technique", "Nothing has been blended."),
        ("fingerprint.json", "data", "The pictures have not been inspected yet"),
        ("folds.csv", "data", "The folds have not been made yet"),
        ("plan.json", "plan", "Nothing has been planned yet"),
        ("environment.json", "technique", "No environment.json."),
        ("ensemble", "out-of-fold", "There are no blended out-of-fold predictions yet"),
        ("ensemble", "mistakes", "Mistakes are known once"),
        ("training_results.json", "technique", "8.7 min in all"),
        ("config.json", "technique", "plan.json"),
        ("techniques", "worth", "No technique was compared with the run without it."),
    ],
)
def test_absent_file_is_said_in_one_line(
    run: Path, competition: Competition, name: str, section: str, says: str
) -> None:
    if (run / name).is_dir():
        shutil.rmtree(run / name)
    else:
        (run / name).unlink()
    assert says in clean(run, competition).text(section)


@pytest.mark.parametrize(
    ("key", "section", "says"),
    [
        ("cross_validation", "result", "This run has no cross-validated score yet."),
        ("corrupted_validation", "result", "No validation on corrupted pictures."),
        ("baseline", "result", "Always the majority class – Not compared."),
        ("submission", "result", "There is no submission yet."),
        ("models", "technique", "No scores of single models."),
        ("ensemble", "technique", "Nothing has been blended."),
        ("tta", "technique", "No test-time augmentation was recorded."),
        ("seconds", "technique", "train 7.6 min"),
        ("command", "technique", "python 04_training/grandmaster_train.py"),
        ("mode", "result", "mode quick_test"),
        ("experiment", "result", "shapes"),
        ("created", "result", "mode quick_test"),
        ("metric_title", "result", "Cross-validated"),
        ("higher_is_better", "result", "better"),
        ("training_pictures", "result", "60 to train"),
        ("total_seconds", "technique", "8.7 min in all"),
    ],
)
def test_absent_result_is_said_in_one_line(
    run: Path, competition: Competition, key: str, section: str, says: str
) -> None:
    path = run / "final_results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: None}))
    assert says in clean(run, competition).text(section)


def test_results_without_any_key_are_no_results(run: Path, competition: Competition) -> None:
    (run / "final_results.json").write_text("{}")
    text = clean(run, competition).text()
    assert "This run has no cross-validated score yet." in text
    assert "There is no submission yet." in text


def test_every_number_may_be_null(whole_run: Path, competition: Competition) -> None:
    """As storage writes NaN: nothing that is a number is known any more, in any artefact."""

    def without_numbers(value: object) -> object:
        if isinstance(value, dict):
            kept = {"index", "count", "fold", "epoch"}
            return {key: item if key in kept else without_numbers(item) for key, item in value.items()}
        if isinstance(value, list):
            return [without_numbers(item) for item in value]
        return None if isinstance(value, float | int) and not isinstance(value, bool) else value

    for path in whole_run.rglob("*.json"):
        path.write_text(json.dumps(without_numbers(json.loads(path.read_text()))))
    for path in whole_run.rglob("metrics.jsonl"):
        lines = [json.dumps(without_numbers(json.loads(line))) for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines) + "\n")
    page = clean(whole_run, competition)
    assert "–" in page.text("plan")
    assert "not recorded" in page.text("training")


def test_empty_run_folder_gives_a_page_of_absences(tmp_path: Path, competition: Competition) -> None:
    (tmp_path / "started").mkdir()
    page = clean(tmp_path / "started", competition)
    assert len(page.having("p", "absent")) >= 9
    assert "started" in page.text("result")
    assert len(page.having("img")) == 16, "the pictures are there already"


def test_untrained_run_says_so(run: Path, competition: Competition) -> None:
    assert clean(run, competition).text("training") == "Training No model has been trained yet."


def test_refused_submission_is_told_with_its_problems(run: Path, competition: Competition) -> None:
    path = run / "final_results.json"
    results = json.loads(path.read_text())
    results["submission"] |= {"problems": ["id 't001.jpg' is missing"], "file": None, "rows": None}
    path.write_text(json.dumps(results))
    text = clean(run, competition).text("result")
    assert "✕ Refused" in text
    assert "problem id 't001.jpg' is missing" in text
    assert "Passed" not in text
    assert "Upload" not in text


@pytest.mark.parametrize(
    ("higher", "low", "high", "says"),
    [
        (False, 0.3, 0.5, "The whole interval is better"),
        (False, 0.3, 1.7, "may have learnt nothing"),
        (True, 1.2, 1.7, "may have learnt nothing"),
        (True, 1.5, 1.9, "may have learnt nothing"),
        (True, 1.7, 1.9, "The whole interval is better"),
    ],
)
def test_verdict_follows_the_direction_of_the_metric(
    run: Path, competition: Competition, higher: bool, low: float, high: float, says: str
) -> None:
    path = run / "final_results.json"
    results = json.loads(path.read_text()) | {"higher_is_better": higher, "corrupted_validation": None}
    results["cross_validation"] |= {"score": (low + high) / 2, "low": low, "high": high}
    results["baseline"]["score"] = 1.6
    path.write_text(json.dumps(results))
    text = clean(run, competition).text("result")
    assert says in text
    assert f"({'higher' if higher else 'lower'} is better)" in text


def test_fit_that_is_not_finished_shows_its_epochs_so_far(whole_run: Path, competition: Competition) -> None:
    place = whole_run / "fold_0" / "resnet18"
    (place / "result.json").unlink()
    with (place / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 13, "train_lo')  # killed while writing
    page = clean(whole_run, competition)
    assert "Fold 0 not finished" in page.text("training")
    assert len(page.having("svg")) == 1 + 4 + 1


def test_first_epoch_alone_is_drawn(whole_run: Path, competition: Competition) -> None:
    for path in whole_run.rglob("metrics.jsonl"):
        path.write_text(path.read_text().splitlines()[0] + "\n")
    assert len(clean(whole_run, competition).having("svg")) == 1 + 4 + 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("final_results.json", "{"),
        ("final_results.json", '{"cross_validation": {"score": "high"}}'),
        ("plan.json", '{"models": [{"input_size": 3}]}'),
        ("folds.csv", "picture,fold\na,0\n"),
        ("fold_0/resnet18/metrics.jsonl", '{"epoch": 1, \n{"epoch": 2}\n'),
        ("ensemble/oof.npz", "not an archive"),
    ],
)
def test_damaged_artefact_is_named(
    whole_run: Path, competition: Competition, name: str, content: str
) -> None:
    (whole_run / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(Path(name).name)):
        write_report(whole_run, competition)


def test_missing_run_folder_is_the_users_to_mend(tmp_path: Path, competition: Competition) -> None:
    with pytest.raises(UserError, match="no such run folder"):
        write_report(tmp_path / "nowhere", competition)


def test_a_batch_that_memory_made_smaller_is_told_beside_the_planned_one(
    whole_run: Path, competition: Competition
) -> None:
    assert "when memory ran out" not in clean(whole_run, competition).text("plan")
    for path in whole_run.glob("fold_0/*/result.json"):
        result = json.loads(path.read_text())
        changed = {"micro_batch": 4, "accumulation": 16, "grad_checkpointing": True}
        path.write_text(json.dumps(result | changed))
    told = "16 × 4 4 × 16, recomputing activations when memory ran out; the same pictures a step 12"
    assert told in clean(whole_run, competition).text("plan")
