"""What was chosen for a blend does the same after it was a file, and something sensible where models are missing."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from grandmaster.prediction.applied import AppliedBlend, AppliedModel
from grandmaster.prediction.blend_methods import METHODS
from grandmaster.prediction.calibration import tempered
from grandmaster.storage import read_json, write_json
from prediction.made_objective import made, said

ALL = frozenset()
MODELS = tuple(AppliedModel(name=name, members=(name,), views=None) for name in "abc")


def applied(objective, fitted, temperature=None) -> AppliedBlend:
    kind = objective.competition.kind
    return AppliedBlend.of(kind, MODELS, fitted, temperature=temperature, specialists=False)


@pytest.mark.parametrize("metric", ["log_loss", "macro_roc_auc", "sample_f1", "rmse"])
@pytest.mark.parametrize("name", METHODS)
def test_a_blend_read_from_its_file_says_what_it_said(metric, name, tmp_path):
    objective = made(metric, count=90)
    members = said(objective, [1.0, 2.0, 0.5])
    fitted = METHODS[name].fit(members, objective, ALL)
    write_json(tmp_path / "applied.json", msgspec.to_builtins(applied(objective, fitted)))
    again = msgspec.convert(read_json(tmp_path / "applied.json"), AppliedBlend)
    found = again.apply(dict(enumerate(members)), {0: 2, 1: 2, 2: 2})
    assert found == pytest.approx(fitted.apply(members), abs=1e-6)


def test_a_model_counts_as_often_as_it_has_fits():
    objective = made("log_loss", count=30)
    members = said(objective, [1.0, 2.0, 0.5])
    found = applied(objective, None).apply(dict(enumerate(members)), {0: 4, 1: 1, 2: 1})
    assert found == pytest.approx(np.einsum("m,mnc->nc", [4 / 6, 1 / 6, 1 / 6], members), abs=1e-6)


@pytest.mark.parametrize("name", ["mean", "rank_mean", "stacking"])
def test_where_a_model_is_missing_the_others_are_blended(name):
    objective = made("macro_roc_auc", count=60)
    members = said(objective, [1.0, 2.0, 0.5])
    blend = applied(objective, METHODS[name].fit(members, objective, ALL))
    found = blend.apply({0: members[0], 2: members[2]}, {0: 1, 2: 1})
    assert found.shape == members[0].shape
    assert np.isfinite(found).all()
    if name != "rank_mean":
        assert found == pytest.approx((members[0] + members[2]) / 2, abs=1e-6)


def test_models_without_a_say_are_not_needed_and_the_weightiest_come_first():
    blend = AppliedBlend(kind="multiclass", models=MODELS, weights=(0.2, 0.0, 0.8))
    assert blend.needed() == (2, 0)
    assert AppliedBlend(kind="multiclass", models=MODELS, ranks=True).needed() == (0, 1, 2)


def test_the_temperature_is_applied_last():
    objective = made("log_loss", count=30)
    members = said(objective, [1.0, 2.0, 0.5])
    found = applied(objective, None, temperature=2.0).apply(dict(enumerate(members)), {0: 1, 1: 1, 2: 1})
    assert found == pytest.approx(tempered("multiclass", members.mean(axis=0), 2.0), abs=1e-6)
