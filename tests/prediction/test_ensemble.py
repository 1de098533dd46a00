"""Blending joins on ids and refuses gaps."""

from __future__ import annotations

import numpy as np
import pytest

from grandmaster.competition.predictions import Predictions
from grandmaster.prediction.ensemble import blend, concatenate

CLASSES = ("a", "b")


def made(ids, first, classes=CLASSES) -> Predictions:
    first = np.asarray(first, np.float32)
    return Predictions(ids=tuple(ids), outputs=classes, values=np.stack([first, 1 - first], axis=1))


def test_members_in_another_order_are_joined_by_id():
    blended = blend([made(["x", "y", "z"], [0.1, 0.2, 0.3]), made(["z", "x", "y"], [0.9, 0.5, 0.4])])
    assert blended.ids == ("x", "y", "z")
    assert blended.values[:, 0] == pytest.approx([0.3, 0.3, 0.6])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (made(["x", "y"], [0.1, 0.2]), "one member predicts 3 ids, another 2"),
        (made(["x", "y", "w"], [0.1, 0.2, 0.3]), "1 ids have no prediction, the first is 'z'"),
        (made(["x", "y", "z"], [0.1, 0.2, 0.3], ("b", "a")), "disagree about the classes"),
    ],
)
def test_gaps_and_other_classes_are_refused(other, message):
    with pytest.raises(ValueError, match=message):
        blend([made(["x", "y", "z"], [0.1, 0.2, 0.3]), other])


def test_folds_are_joined_in_sorted_order_and_never_overlap():
    joined = concatenate([made(["c", "a"], [0.3, 0.1]), made(["b"], [0.2])])
    assert joined.ids == ("a", "b", "c")
    assert joined.values[:, 0] == pytest.approx([0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="'a' is predicted twice"):
        concatenate([made(["c", "a"], [0.3, 0.1]), made(["a"], [0.2])])
    with pytest.raises(ValueError, match="nothing to"):
        concatenate([])
    with pytest.raises(ValueError, match="nothing to"):
        blend([])
