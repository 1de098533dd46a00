"""Scores class by class of several runs on the same rows, whatever is predicted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from grandmaster.report.class_comparison import MOST_ROWS, Answers, compare_classes

NAMES = ("cat", "dog", "cow")


def one_hot(said: list[int]) -> Answers:
    return Answers(values=np.eye(3)[said])


def test_classes_are_scored_on_both_sides_and_the_largest_difference_comes_first() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1])
    before, after = [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]
    found = compare_classes("multiclass", NAMES, truth, [[one_hot(before)], [one_hot(after)]])
    scores = [f1_score(truth, said, labels=[0, 1], average=None) for said in (before, after)]
    assert [line.name for line in found.lines] == ["dog", "cat", "cow"]
    dog, _, cow = found.lines
    assert dog.scores == pytest.approx((scores[0][1], scores[1][1]))
    assert dog.gains == pytest.approx((scores[1][1] - scores[0][1],))
    assert dog.gains[0] is not None
    assert dog.gains[0] < 0
    assert (dog.rows, cow.rows, found.rows) == (3, 0, 6)
    assert (cow.scores, cow.gains) == ((None, None), (None,))
    assert (found.kind, found.measure, found.is_share) == ("multiclass", "F1", True)


def test_seeds_of_one_side_are_averaged() -> None:
    truth = np.array([0, 1, 2])
    right, wrong = one_hot([0, 1, 2]), one_hot([1, 2, 0])
    found = compare_classes("multiclass", NAMES, truth, [[wrong, wrong], [right, wrong]])
    assert all(line.scores == (0.0, 0.5) for line in found.lines)


def test_grades_follow_the_rule_that_was_fitted() -> None:
    truth, values = np.array([[0.0], [1.0], [2.0]]), np.array([[0.4], [0.4], [1.4]])
    plain = Answers(values=values)
    ruled = Answers(values=values, decided=np.array([0, 1, 2]))
    found = compare_classes("ordinal", NAMES, truth, [[plain], [ruled]])
    assert {line.name: line.scores[1] for line in found.lines} == dict.fromkeys(NAMES, 1.0)
    assert {line.name: line.scores[0] for line in found.lines}["cow"] == 0
    assert found.kind == "ordinal"


def test_labels_have_an_average_precision_where_there_are_both_sides() -> None:
    truth = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 0]], np.float32)
    values = np.array([[0.9, 0.5, 0.2], [0.8, 0.5, 0.9], [0.1, 0.5, 0.3]])
    found = {
        line.name: line
        for line in compare_classes(
            "multilabel", NAMES, truth, [[Answers(values=truth)], [Answers(values=values)]]
        ).lines
    }
    assert found["cat"].scores[1] == pytest.approx(average_precision_score(truth[:, 0], values[:, 0]))
    assert found["dog"].scores == (None, None)
    assert found["cat"].rows == 2


def test_a_smaller_error_is_a_gain() -> None:
    truth = np.zeros((4, 2))
    off = [[Answers(values=np.full((4, 2), size))] for size in (0.5, 0.1)]
    found = compare_classes("regression", ("width", "height"), truth, off)
    assert found.lines[0].scores == pytest.approx((0.5, 0.1))
    assert found.lines[0].gains == pytest.approx((0.4,))
    assert (found.lines[0].rows, found.is_share) == (None, False)


def test_of_very_many_classes_those_that_differ_most_are_shown() -> None:
    count = MOST_ROWS + 5
    truth, names = np.arange(count), [f"class {number}" for number in range(count)]
    said = np.eye(count)
    worse = said.copy()
    worse[count - 1] = said[0]
    found = compare_classes("multiclass", names, truth, [[Answers(values=said)], [Answers(values=worse)]])
    assert (len(found.lines), found.left_out) == (MOST_ROWS, 5)
    assert found.lines[0].name == names[-1]
