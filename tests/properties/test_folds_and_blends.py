"""Folds, blends, weights, temperatures: what holds for any input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import TargetKind
from grandmaster.errors import UserError
from grandmaster.pipeline.folds import ALWAYS_TRAINED, make_folds
from grandmaster.prediction.calibration import fit_temperature, tempered
from grandmaster.prediction.ensemble import blend, blend_known, concatenate
from grandmaster.prediction.weights import drawn_to_equal, fitted_weights

KINDS: tuple[TargetKind, ...] = ("multiclass", "multilabel", "ordinal", "regression")
KIND = st.sampled_from(KINDS)


@st.composite
def split_tasks(draw: st.DrawFn) -> dict[str, Any]:
    """Training tables with groups, rows and duplicates, of any kind of target."""
    kind = draw(KIND)
    size = draw(st.integers(8, 60))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    targets: Any = random.choice(4, size, p=random.dirichlet(np.ones(4)))
    if kind == "multilabel":
        targets = (random.random((size, 3)) < random.random(3)).astype(np.float32)
    elif kind == "ordinal":
        targets = targets[:, None].astype(np.float32)
    elif kind == "regression":
        targets = random.choice((random.normal(size=size), np.zeros(size)))[:, None].astype(np.float32)
    ids = [f"{number:03d}" for number in random.permutation(size)]
    groups = random.integers(0, draw(st.sampled_from((size // 2, size, 5 * size))), size)
    table = pd.DataFrame({"id": ids, "group": [f"g{group}" for group in groups]})
    pairs = [random.choice(ids, 2, replace=False).tolist() for _ in range(draw(st.integers(0, 4)))]
    return {"kind": kind, "targets": targets, "train": table, "pairs": pairs, "count": draw(st.integers(2, 5)), "seed": draw(st.integers(0, 9))}  # fmt: skip


def folds_of(task: dict[str, Any], order: Any = slice(None)) -> pd.DataFrame:
    frame, _ = make_folds(
        task["train"].iloc[order],
        task["pairs"],
        count=task["count"],
        seed=task["seed"],
        kind=task["kind"],
        targets=task["targets"][order],
    )
    return frame


@pytest.mark.fault(46, "any groups and pairs of duplicates")
@pytest.mark.fault(10, "any counts of classes")
@given(task=split_tasks())
def test_folds(task: dict[str, Any]) -> None:
    try:
        frame = folds_of(task)
    except UserError as error:
        assume(False)
        raise AssertionError from error
    assert frame["id"].tolist() == sorted(task["train"]["id"])
    assert set(frame["fold"]) - {ALWAYS_TRAINED} == set(range(task["count"]))
    fold = frame.set_index("id")["fold"]
    assert all(fold[one] == fold[other] for one, other in task["pairs"])
    assert (task["train"].groupby("group")["id"].apply(lambda ids: fold[ids].nunique()) == 1).all()
    turned = np.random.default_rng(1).permutation(len(frame))
    pd.testing.assert_frame_equal(frame, folds_of(task, turned))
    if task["kind"] == "multiclass":
        label = pd.Series(task["targets"], index=task["train"]["id"])[frame["id"]].to_numpy()
        for number in range(task["count"]):
            assert set(label[frame["fold"] != number]) == set(label), "a class is missing in a training part"


@st.composite
def members(draw: st.DrawFn) -> list[Predictions]:
    """Two to four members of the same pictures, each in an order of its own."""
    size, classes = draw(st.integers(1, 7)), draw(st.integers(2, 4))
    ids = draw(st.lists(st.text(min_size=1, max_size=4), min_size=size, max_size=size, unique=True))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    found = []
    for _ in range(draw(st.integers(2, 4))):
        values = random.dirichlet(np.full(classes, 0.3), size).astype(np.float32)
        order = random.permutation(size)
        found.append(
            Predictions(
                ids=tuple(ids[place] for place in order), outputs=tuple("abcd"[:classes]), values=values
            )
        )
    return found


@given(many=members())
def test_a_blend_does_not_depend_on_order_and_stays_in_range(many: list[Predictions]) -> None:
    blended = blend(many)
    turned = blend([one.aligned_to(one.ids[::-1]) for one in reversed(many)]).aligned_to(blended.ids)
    np.testing.assert_allclose(turned.values, blended.values, atol=1e-7)
    everyone = np.stack([one.aligned_to(blended.ids).values for one in many])
    assert (blended.values >= everyone.min(axis=0) - 1e-7).all()
    assert (blended.values <= everyone.max(axis=0) + 1e-7).all()
    np.testing.assert_allclose(blended.values.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(blend([many[0]] * 3).values, many[0].values)
    known = blend_known(many)
    np.testing.assert_allclose(known.aligned_to(blended.ids).values, blended.values, atol=1e-7)


@pytest.mark.fault(12, "members of a blend that lack ids")
@given(many=members(), place=st.integers(0, 6))
def test_a_gap_is_refused_and_the_rest_is_a_mean_of_those_who_know(
    many: list[Predictions], place: int
) -> None:
    assume(len(many[0].ids) > 1)
    lost = many[0].ids[place % len(many[0].ids)]
    kept = [one for one in many[0].ids if one != lost]
    short = many[0].aligned_to(kept)
    with pytest.raises(ValueError, match="ids"):
        blend([many[1], short])
    with pytest.raises(ValueError, match="ids"):
        blend([short, many[1]])
    found = blend_known([short, *many[1:]])
    assert found.ids == tuple(sorted(many[0].ids))
    row = found.ids.index(lost)
    others = [one.aligned_to([lost]).values[0].astype(np.float64) for one in many[1:]]
    np.testing.assert_allclose(found.values[row], np.mean(others, axis=0), atol=1e-6)


@given(many=members(), cut=st.integers(1, 6))
def test_folds_join_to_what_they_were_cut_from(many: list[Predictions], cut: int) -> None:
    whole = many[0]
    cut = min(cut, len(whole.ids))
    parts = [whole.aligned_to(ids) for ids in (whole.ids[cut:], whole.ids[:cut]) if ids]
    joined = concatenate(parts)
    assert joined.ids == tuple(sorted(whole.ids))
    np.testing.assert_array_equal(joined.aligned_to(whole.ids).values, whole.values)
    with pytest.raises(ValueError, match="twice"):
        concatenate([*parts, parts[0]])


@st.composite
def probabilities(draw: st.DrawFn) -> tuple[TargetKind, Any, Any]:
    """Kind, truth, (m, n, c) values; of classes with zeros and ones among them."""
    kind = draw(KIND)
    m, n, c = draw(st.integers(1, 4)), draw(st.integers(1, 8)), draw(st.integers(2, 4))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    unit = draw(arrays.arrays(np.float32, (m, n, c), elements=st.floats(0, 1, width=32)))
    if kind == "multiclass":
        unit[..., 0] += (unit.sum(axis=2) == 0).astype(np.float32)
        return kind, random.integers(0, c, n), unit / unit.sum(axis=2, keepdims=True)
    if kind == "multilabel":
        return kind, (random.random((n, c)) < 0.5).astype(np.float32), unit
    return kind, (100 * random.normal(size=(n, c))).astype(np.float32), (200 * unit - 100).astype(np.float32)


@given(told=probabilities(), share=st.floats(0, 1))
def test_weights_are_a_mixture(told: tuple[TargetKind, Any, Any], share: float) -> None:
    kind, truth, values = told
    for weights in (
        fitted_weights(kind, truth, values),
        drawn_to_equal(fitted_weights(kind, truth, values), share),
    ):
        assert weights.shape == (len(values),)
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1, abs=1e-6)


@given(told=probabilities(), temperature=st.floats(0.1, 10))
def test_a_temperature_changes_how_sure_and_nothing_else(
    told: tuple[TargetKind, Any, Any], temperature: float
) -> None:
    kind, truth, values = told
    assume(kind in ("multiclass", "multilabel"))
    plain, found = values[0].astype(np.float64), tempered(kind, values[0], temperature)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    if kind == "multiclass":
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
        with np.errstate(divide="ignore", invalid="ignore"):
            raised = np.maximum(plain, 1e-12) ** (1 / temperature)
            np.testing.assert_allclose(found, raised / raised.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(tempered(kind, values[0], 1.0), values[0], atol=1e-5)
    for row, out in zip(plain, found, strict=True):
        order = np.argsort(row, kind="stable")
        assert (np.diff(out[order]) >= -1e-6).all(), "the order has changed"
    assert 0.09 < fit_temperature(kind, truth, values[0]) < 10.1
