"""What comes after the planned fits is told with what it may take, and not hidden in the plan."""

from __future__ import annotations

from typing import Any

import pytest
from small_competition import SETTINGS, Record, request, write_competition

from grandmaster.config import Config
from grandmaster.pipeline import run
from grandmaster.pipeline.later import Later, later_work
from grandmaster.pipeline.run import planned_work, run_pipeline
from grandmaster.settings import with_settings

ALLOWED = "run.allow_test_training=true"


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Any:
    data = write_competition(tmp_path_factory.mktemp("data") / "squares")
    asked = request(data, tmp_path_factory.mktemp("runs") / "run", until="plan")
    run_pipeline(asked, Record())
    return run._open(asked, Record())


def later(context: Any, *changes: str) -> list[Later]:
    settings = with_settings(Config(), [*SETTINGS, *changes])
    return later_work(context.plan, context.competition, settings)


def test_nothing_is_asked_for(context):
    assert later(context) == []
    assert later(context, ALLOWED, "pseudo_label.rounds=0") == []


def test_rounds_of_pseudo_labels(context):
    (one,) = later(context, ALLOWED)
    assert (one.name, one.fits) == ("pseudo-labels, 1 round", 2)
    (model,) = context.plan.models
    # Two folds; 32 pictures are trained on and at most 18 of the test set with them.
    training = 60 * (model.minutes_per_fold - model.test_minutes_per_fold)
    assert one.seconds == pytest.approx(
        2 * (training * (1 + 18 / 32) + 60 * model.test_minutes_per_fold), rel=1e-6
    )
    (three,) = later(context, ALLOWED, "pseudo_label.rounds=3")
    assert (three.name, three.fits) == ("pseudo-labels, up to 3 rounds", 6)
    assert three.seconds == pytest.approx(3 * one.seconds)
    (shorter,) = later(context, ALLOWED, "pseudo_label.epochs_share=0.5")
    assert shorter.seconds < one.seconds


def test_a_student_and_specialists(context):
    (own,) = later(context, "distill.on=true")
    assert (own.name, own.fits) == ("distillation into test_resnet", 2)
    (other,) = later(context, "distill.on=true", "distill.student=mobilenetv2_100")
    assert other.name == "distillation into mobilenetv2_100"
    assert other.seconds > own.seconds  # by their operations
    pseudo, student, specialists = later(context, ALLOWED, "distill.on=true", "specialist.mode=auto")
    assert pseudo.name == "pseudo-labels, 1 round"
    assert student.seconds > own.seconds  # it learns of the test set, too
    assert (specialists.name, specialists.fits) == ("specialists for pairs of classes", 0)
    assert 0 < specialists.seconds < own.seconds
    assert specialists.line == "specialists for pairs of classes: at most about 1 min beyond the plan"


def test_it_is_told_before_a_run_with_a_limit_begins(context, tmp_path):
    data = context.competition.root
    record = Record()
    limited = request(data, tmp_path / "run", ALLOWED, "run.time_limit=30", until="plan")
    run_pipeline(limited, record)
    said = [line for line in record.messages if "if the time left allows" in line]
    assert len(said) == 1
    assert "pseudo-labels, 1 round: 2 fits, at most about 1 min beyond the plan" in said[0]
    plan, work = planned_work(request(data, tmp_path / "none", "distill.on=true"), Record())
    assert [model.backbone for model in plan.models] == ["test_resnet"]
    assert [stage.name for stage in work] == ["distillation into test_resnet"]
    assert not (tmp_path / "none").exists()
