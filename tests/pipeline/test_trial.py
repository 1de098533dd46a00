"""A fitted augmentation is kept only where it wins on validation pictures corrupted like the test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grandmaster.competition.comparison import Comparison
from grandmaster.images.class_groups import ClassGroups
from grandmaster.images.operation import Operation
from grandmaster.images.policy import light_policy
from grandmaster.pipeline import augmenting, pacing, plan, preparing, training, trying
from grandmaster.pipeline.manifest import mark_done
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json, write_json
from pipeline.small_competition import Record, request, write_competition

# As if the first two classes of the small competition were of two kinds.
GROUPS = ClassGroups(photos=("0",), pages=("1",), kinds_reason="as made")
SETTINGS = ("augmentation.trial=true", "training.epochs=3", "training.learning_rate=0.01", "folds.train=1")


def shift(kind: str, level: list[float]) -> dict[str, Any]:
    """What shift.json would hold had this kind been found in every test picture."""
    told = {"auc": 0.98, "low": 0.97, "high": 0.99, "features": []}
    found = {"share": 1.0, "low": 0.95, "high": 1.0, "clean": 0.0, "auc": 0.99, "levels": [[*level, 1.0]]}
    return {
        "adversarial": told,
        "embedding": None,
        "reading": {
            "kinds": {kind: found, "colour": found | {"levels": [[0.0, 0.33, 1.0]]}},
            "fitted": told,
            "method": "weights",
        },
        "fill_value": 255,
        "jpeg_quality": None,
    }


def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any], *changes: str) -> Record:
    monkeypatch.setattr(preparing, "_compared", lambda context: content)
    if not (tmp_path / "data").exists():
        write_competition(tmp_path / "data")
    record = Record()
    run_pipeline(request(tmp_path / "data", tmp_path / "run", *SETTINGS, *changes, until="trial"), record)
    return record


def test_a_policy_that_wins_is_kept_and_the_trial_is_not_done_twice(tmp_path, monkeypatch):
    """Test pictures are far brighter: who trains on bright pictures recognises them."""
    bright = shift("exposure", [0.7, 0.8])
    record = go(tmp_path, monkeypatch, bright)
    trial = read_json(tmp_path / "run" / "trial.json")
    (step,) = trial["steps"]
    gain = step["gain"]
    assert step["kept"] is (gain["score"] >= 0)
    assert trial["won"] == ("fitted" if step["kept"] else "plain")
    assert gain["score"] == pytest.approx(trial["scores"]["fitted"] - trial["scores"]["plain"])
    assert gain["low"] <= gain["score"] <= gain["high"]
    assert trial["epochs"] == 3
    assert {"try plain augmentation", "try fitted augmentation"} <= set(record.notes)
    assert not list((tmp_path / "run" / "trial").rglob("*.safetensors"))
    line = read_json(tmp_path / "run" / "techniques" / "augmentation.json")
    assert (line["kept"], line["gain"]) == (step["kept"], gain["score"])
    assert (line["before"], line["after"]) == (trial["scores"]["plain"], trial["scores"]["fitted"])
    again = go(tmp_path, monkeypatch, bright)
    assert not [task for task in again.notes if task.startswith("try")]
    assert any("Trial of the augmentation: done before" in message for message in again.messages)


@pytest.mark.parametrize("won", ["plain", "fitted", "by class"])
def test_training_uses_what_won(tmp_path, monkeypatch, won):
    monkeypatch.setattr(augmenting, "find_class_groups", lambda fingerprint: GROUPS)
    go(tmp_path, monkeypatch, shift("noise", [11.0, 18.0]))
    path = tmp_path / "run" / "trial.json"
    write_json(path, read_json(path) | {"won": won})
    manifest = read_json(tmp_path / "run" / "trial.manifest.json")
    mark_done(tmp_path / "run" / "trial.manifest.json", manifest["inputs"], [path])
    used: list[Any] = []

    def remember(spec: Any, *args: Any, **kwargs: Any) -> Any:
        used.append(spec)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit_fold", remember)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(request(tmp_path / "data", tmp_path / "run", *SETTINGS, until="train"), Record())
    (spec,) = used
    names = [operation.name for operation in spec.operations]
    assert ("PixelNoise" in names) is (won != "plain")
    assert (spec.operations == light_policy()) is (won == "plain")
    assert [policy.classes for policy in spec.class_policies] == (
        [("0",), ("1",)] if won == "by class" else []
    )


@pytest.mark.parametrize(("low", "won"), [(-0.01, "fitted"), (0.01, "by class")])
def test_policies_by_class_group_must_win_beyond_the_uncertainty(tmp_path, monkeypatch, low, won):
    monkeypatch.setattr(augmenting, "find_class_groups", lambda fingerprint: GROUPS)
    gain = Comparison(
        metric="macro_f1",
        before=0.5,
        after=0.55,
        gain=0.05,
        low=low,
        high=0.1,
        level=0.95,
        by_fold=(),
        corrected=None,
        verdict="better" if low > 0 else "no difference shown",
    )
    monkeypatch.setattr(trying.Judge, "compare", lambda *args: gain)
    record = go(tmp_path, monkeypatch, shift("exposure", [0.7, 0.8]))
    trial = read_json(tmp_path / "run" / "trial.json")
    assert [(step["first"], step["second"]) for step in trial["steps"]] == [
        ("plain", "fitted"),
        ("fitted", "by class"),
    ]
    assert trial["won"] == won
    assert trial["steps"][1]["kept"] is (won == "by class")
    said = "Policies by class group are kept" if won == "by class" else "do not win beyond the uncertainty"
    assert any(said in message for message in record.messages)
    line = read_json(tmp_path / "run" / "techniques" / "augmentation_by_class.json")
    assert (line["kept"], line["low"], line["scored_on"]) == (won == "by class", low, "corrupted")
    assert said in line["why"]
    decided = read_json(tmp_path / "run" / "plan.json")
    assert decided["decisions"]["class_groups"]["value"] is True
    assert [policy["name"] for policy in decided["class_policies"]] == ["photos", "pages"]


def test_a_policy_that_loses_is_said_and_not_used(tmp_path, monkeypatch):
    """The validation is corrupted by a little noise only, but the policy leaves nothing to learn from."""
    ruin = (Operation(name="ScaledBlur", probability=1.0, params={"levels": [[60, 60, 1]]}),)
    monkeypatch.setattr(augmenting, "test_like_policy", lambda content: ruin)
    monkeypatch.setattr(plan, "light_policy", lambda: ())
    record = go(tmp_path, monkeypatch, shift("noise", [2.0, 6.0]), "training.epochs=40")
    trial = read_json(tmp_path / "run" / "trial.json")
    assert trial["scores"]["plain"] > trial["scores"]["fitted"]
    assert trial["steps"][0]["kept"] is False
    assert trial["won"] == "plain"
    assert any("LOSES and is not used" in message and "warn" in message for message in record.messages)


def test_it_is_left_out_where_nothing_is_to_be_tried(tmp_path, monkeypatch):
    record = go(tmp_path, monkeypatch, {"adversarial": None, "embedding": None, "reading": None})
    assert not (tmp_path / "run" / "trial.json").exists()
    assert not [task for task in record.notes if task.startswith("try")]


def test_a_few_fits_are_not_worth_a_trial_unless_asked_for(tmp_path, monkeypatch):
    noise = shift("noise", [2.0, 6.0])
    monkeypatch.setattr(preparing, "_compared", lambda context: noise)
    write_competition(tmp_path / "data")
    for trained, expected in (("3", False), ("4", True)):
        folder = tmp_path / trained
        run_pipeline(
            request(tmp_path / "data", folder, "folds.count=4", f"folds.train={trained}", until="plan"),
            Record(),
        )
        assert read_json(folder / "plan.json")["decisions"]["trial"]["value"] is expected


def test_a_trial_that_takes_too_much_of_a_time_limit_is_broken_off(tmp_path, monkeypatch):
    """Short fits of unequal length cannot be compared: the fitted policy stays, and that is said."""
    monkeypatch.setattr(pacing, "TRIAL_MOST", 0.0)
    bright = shift("exposure", [0.7, 0.8])
    record = go(tmp_path, monkeypatch, bright, "run.time_limit=5")
    trial = read_json(tmp_path / "run" / "trial.json")
    assert (trial["won"], trial["steps"]) == ("fitted", [])
    assert any("trial of the augmentation: broken off for the time limit" in line for line in record.messages)
    again = go(tmp_path, monkeypatch, bright)
    assert any("Trial of the augmentation: done before" in message for message in again.messages)
