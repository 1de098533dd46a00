"""A rate that is found once, kept in the run's folder, and trained with."""

from __future__ import annotations

import msgspec
import pytest

from grandmaster.errors import UserError
from grandmaster.pipeline import training
from grandmaster.pipeline.run import run_pipeline
from grandmaster.storage import read_json
from pipeline.small_competition import Record, request, write_competition

SETTINGS = ("training.find_rate=true", "folds.train=1", "training.epochs=1")


def test_the_rate_is_found_once_and_used_by_every_fit(tmp_path, monkeypatch):
    data = write_competition(tmp_path / "data")
    record = Record()
    run_pipeline(request(data, tmp_path / "run", *SETTINGS, until="find_rate"), record)
    assert "find rate of test_resnet" in record.notes
    assert record.expected["find rate of test_resnet"] > 0
    found = read_json(tmp_path / "run" / "rates.json")["test_resnet"]
    planned = read_json(tmp_path / "run" / "plan.json")["models"][0]
    assert found["planned"] == planned["learning_rate"] != found["rate"]
    assert len(found["rates"]) == len(found["losses"]) > 10
    assert "rates.json" in planned["reasons"]["learning_rate"]

    used = []
    original = training.fit_fold

    def remember(spec, *args, **kwargs):
        used.append(spec)
        return original(spec, *args, **kwargs)

    monkeypatch.setattr(training, "fit_fold", remember)
    again = Record()
    run_pipeline(request(data, tmp_path / "run", *SETTINGS, until="predict"), again)
    assert any("Learning rates: found before" in message for message in again.messages)
    assert [spec.learning_rate for spec in used] == [found["rate"]]
    # done before: the same fit, by the same rate
    run_pipeline(request(data, tmp_path / "run", *SETTINGS, until="predict"), Record())
    assert len(used) == 1


def test_a_rate_that_is_set_is_not_looked_for(tmp_path):
    data = write_competition(tmp_path / "data")
    with pytest.raises(UserError, match="the rate is to be found, and is set"):
        run_pipeline(request(data, tmp_path / "run", *SETTINGS, "training.learning_rate=1e-3"), Record())
    run_pipeline(request(data, tmp_path / "plain", until="find_rate"), Record())
    assert not (tmp_path / "plain" / "rates.json").exists()


def test_a_recipe_of_everything_at_once_runs_to_its_predictions(tmp_path):
    """Heads of the trained kind are built again for prediction, and what the plan says is what is trained."""
    data = write_competition(tmp_path / "data")
    settings = (
        "training.loss=advanced",
        "training.class_balance=sampling",
        "training.batch_norm=re_estimated",
        "training.rate_groups=conv1=1e-4,fc=1e-2",
        "training.warmup_epochs=0.5",
        "training.final_rate=1e-6",
        "folds.train=1",
    )
    record = Record()
    run_pipeline(request(data, tmp_path / "run", *settings, until="predict"), record)
    assert "predict test_resnet fold 0" in record.notes
    facts = read_json(tmp_path / "run" / "fold_0" / "test_resnet" / "checkpoint" / "best.json")
    assert facts["head"]["one_vs_all"] is False
    decided = read_json(tmp_path / "run" / "plan.json")["decisions"]
    assert decided["loss"] == {"value": "advanced", "reason": "as set"}
    assert decided["class_balance"]["value"] == "sampling"


def test_class_weights_are_those_of_the_training_fold(tmp_path, monkeypatch):
    data = write_competition(tmp_path / "data")
    lines = (data / "train.csv").read_text().splitlines()
    kept = [line for number, line in enumerate(lines) if not (line.endswith(",2") and number > 12)]
    (data / "train.csv").write_text("\n".join(kept) + "\n")

    class Seen(Exception):
        pass

    def stop(spec, *args, **kwargs):
        raise Seen(msgspec.to_builtins(spec.loss))

    monkeypatch.setattr(training, "fit_fold", stop)
    with pytest.raises(Seen) as seen:
        run_pipeline(
            request(data, tmp_path / "run", "training.class_balance=weights", "folds.train=1"), Record()
        )
    weights = seen.value.args[0]["class_weights"]
    assert weights[2] > 2 * weights[0]
