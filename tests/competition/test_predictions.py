"""Probabilities keyed by id, on disk and in memory."""

from __future__ import annotations

import numpy as np
import pytest

from grandmaster.competition.predictions import Predictions
from grandmaster.errors import UserError

HALF = np.full((2, 2), 0.5, np.float32)


def test_written_and_read_back_exactly(tmp_path):
    ids = ("001", "=1+1", "가나 다.jpg")[:2]
    values = np.random.default_rng(0).dirichlet([1, 1], 2).astype(np.float32)
    Predictions(ids=ids, outputs=("NA", "1e5"), values=values).save(tmp_path / "p.npz")
    back = Predictions.load(tmp_path / "p.npz")
    assert (back.ids, back.outputs) == (ids, ("NA", "1e5"))
    assert (back.values == values).all()


def test_same_predictions_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        Predictions(ids=("a", "b"), outputs=("x", "y"), values=HALF).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        (("a", "a"), HALF, "'a' is predicted twice"),
        (("a",), HALF, "shape"),
        (("a", "b"), np.array([[0.5, 0.5], [np.nan, 1]], np.float32), "id 'b' is not finite"),
    ],
)
def test_what_cannot_be_a_prediction_is_refused(ids, values, message):
    with pytest.raises(ValueError, match=message):
        Predictions(ids=ids, outputs=("x", "y"), values=values)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04 cut off", None])
def test_a_broken_or_missing_file_is_named(tmp_path, content):
    path = tmp_path / "p.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"p\.npz"):
        Predictions.load(path)
