"""Learning what is taught instead of labels: soft targets, a teacher, further pictures that count less."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from training_cases import make_data, make_spec

from grandmaster.images.augment import build_augmentation
from grandmaster.images.dataset import JoinedDataset, PictureDataset, picture_seed
from grandmaster.models.head import Head
from grandmaster.progress import SilentProgress
from grandmaster.training.fit import fit_fold
from grandmaster.training.judging import FoldData
from grandmaster.training.losses import Loss, loss_sum
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec

CLASSES, LABELS = Head(kind="multiclass", outputs=3), Head(kind="multilabel", outputs=3)
NUMBER = Head(kind="regression", outputs=1, mean=(110.0,), std=(8.0,))
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]])


class Killed(Exception):
    pass


class KillAt(SilentProgress):
    def __init__(self, pictures: int) -> None:
        self.left = pictures

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        self.left -= units
        if self.left < 0:
            raise Killed


def fit(folder: Path, spec: FitSpec, data: FoldData, progress: SilentProgress | None = None) -> Any:
    how = {"workers": 0, "progress": progress or SilentProgress(), "task": "t"}
    return fit_fold(spec, data, folder, Precision("cpu", "fp32"), **how)


def taught(data: FoldData, rows: np.ndarray) -> FoldData:
    """The same pictures, of which `rows` (of the whole store) are learnt instead."""
    known = data.train
    own = PictureDataset(
        known.store, known.targets, known.augmentation, known.size, known.seed, rows=known.rows, taught=rows
    )
    return dataclasses.replace(data, train=own)


def test_what_is_taught_is_learnt_and_not_the_labels(tmp_path):
    """A teacher who says the next class: the student's validation score is nothing, its answers are the teacher's."""
    spec = make_spec(epochs=10, mix_probability=0.3, learning_rate=1e-2)
    data = make_data(tmp_path, spec, 90)
    wrong = np.eye(3, dtype=np.float32)[(data.train.targets + 1) % 3] * 0.9 + 0.1 / 3
    assert fit(tmp_path / "labels", spec, data).history[-1]["val_score"] > 0.8
    assert fit(tmp_path / "taught", spec, taught(data, wrong)).history[-1]["val_score"] < 0.2


@pytest.mark.parametrize("kind", ["multiclass", "ordinal"])
def test_rows_that_are_the_labels_train_as_the_labels_do_bit_for_bit(tmp_path, kind):
    head = {
        "multiclass": CLASSES,
        "ordinal": Head(kind="ordinal", outputs=1, mean=(1.0,), std=(0.8,), low=0, high=2),
    }
    metric = {"multiclass": "macro_f1", "ordinal": "quadratic_weighted_kappa"}[kind]
    spec = make_spec(epochs=2, head=head[kind], metric=metric)
    data = make_data(tmp_path, spec)
    labels = data.train.targets
    rows = np.eye(3, dtype=np.float32)[labels] if kind == "multiclass" else labels
    first = fit(tmp_path / "labels", spec, data)
    second = fit(tmp_path / "taught", spec, taught(data, rows))
    for one, other in zip(first.model.state_dict().values(), second.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def joined(data: FoldData, spec: FitSpec, *, weight: float, count: int = 12) -> FoldData:
    """With the first pictures of the store again, as if they were test pictures, and soft targets for them."""
    known = data.train
    rows = np.full((len(known.store), 3), 0.1, np.float32)
    rows[np.arange(len(rows)), known.targets] = 0.8
    more = PictureDataset(
        known.store,
        known.targets,
        build_augmentation((), spec.input_size),
        known.size,
        known.seed + 1,
        rows=np.arange(count),
        taught=rows,
        weights=None if weight == 1 else np.full(len(rows), weight),
    )
    own = taught(data, np.eye(3, dtype=np.float32)[known.targets]).train
    return dataclasses.replace(data, train=JoinedDataset([own, more]))


@pytest.mark.parametrize("balanced", [False, True])
def test_further_pictures_resume_bit_for_bit_and_in_smaller_passes(tmp_path, balanced):
    spec = make_spec(epochs=2, balanced_sampling=balanced, batch_norm="frozen", drop_rate=0.0, drop_path=0.0)
    data = joined(make_data(tmp_path, spec), spec, weight=0.5)
    assert len(data.train) == 36 + 12
    whole = fit(tmp_path / "whole", spec, data)
    with pytest.raises(Killed):
        fit(tmp_path / "cut", spec, data, KillAt(48 + 20))
    resumed = fit(tmp_path / "cut", spec, data)
    for one, other in zip(
        whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
    how = {"workers": 0, "progress": SilentProgress(), "task": "t"}
    known = msgspec.structs.replace(whole.passes, micro_batch=3)
    small = fit_fold(spec, data, tmp_path / "small", Precision("cpu", "fp32"), known=known, **how)
    assert small.history[0]["train_loss"] == pytest.approx(whole.history[0]["train_loss"], rel=1e-3)


def test_a_joined_dataset_shows_every_picture_of_each_part_once_an_epoch(tmp_path):
    spec = make_spec()
    data = make_data(tmp_path, spec).train
    other = PictureDataset(data.store, data.targets, None, data.size, 9, rows=np.array([1, 5, 7]))
    both = JoinedDataset([data, other])
    assert both.labels.tolist() == [*data.labels, *other.labels]
    for epoch in (0, 3):
        items = [both[epoch * len(both) + position] for position in range(len(both))]
        assert [item.row for item in items] == [*data.rows, 1, 5, 7]
        assert torch.equal(items[4].picture, data[epoch * len(data) + 4].picture)
        assert torch.equal(items[-1].picture, other[2].picture)


class QuarterMixed:
    size = 32

    def __call__(self, picture, seed, **_):
        return picture[:32, :32], 0.25


def test_a_mixed_picture_weighs_what_its_halves_do(tmp_path):
    spec = make_spec()
    known = make_data(tmp_path, spec).train
    weights = np.linspace(0, 1, len(known.store))
    dataset = PictureDataset(known.store, known.targets, QuarterMixed(), spec.input_size, 3, weights=weights)
    item = dataset[7]
    other = picture_seed(3, 0, 7) % len(known.store)
    assert item.weight == pytest.approx(0.75 * weights[7] + 0.25 * weights[other])


def test_weights_scale_each_picture_of_every_loss():
    targets = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.4, 0.6]])
    for head, name in ((CLASSES, "cross_entropy"), (CLASSES, "advanced"), (LABELS, "focal"), (LABELS, "bce")):
        loss = Loss(name=name)
        one, two = (
            loss_sum(head, loss, LOGITS[row : row + 1], targets[row : row + 1]).item() for row in (0, 1)
        )
        found = loss_sum(head, loss, LOGITS, targets, weights=torch.tensor([0.25, 2.0])).item()
        assert found == pytest.approx(0.25 * one + 2 * two, rel=1e-5)


def distilled(
    head: Head, loss: Loss, logits: torch.Tensor, labels: torch.Tensor, said: torch.Tensor
) -> float:
    return loss_sum(head, loss, logits, torch.cat([labels, said], dim=1)).item()


def test_distillation_is_hintons():
    """Against T^2 KL(teacher || student) of torch, which differs by the teacher's entropy alone."""
    labels, teacher = CLASSES.encode(torch.tensor([0, 2])), torch.tensor([[3.0, 1.0, 0.0], [0.5, 0.0, 2.0]])
    loss = Loss(name="cross_entropy", temperature=3.0, true_share=0.3)
    soft = (teacher / 3).softmax(1)
    apart = torch.nn.functional.kl_div((LOGITS / 3).log_softmax(1), soft, reduction="sum")
    entropy = -(soft * soft.log()).sum()
    expected = 0.3 * loss_sum(CLASSES, loss, LOGITS, labels) + 0.7 * 9 * (apart + entropy)
    found = distilled(CLASSES, loss, LOGITS, labels, teacher.softmax(1))
    assert found == pytest.approx(float(expected), rel=1e-4)
    assert loss.judged.true_share == 0.3  # of no matter: validation pictures have labels only
    assert loss_sum(CLASSES, loss, LOGITS, labels) == loss_sum(
        CLASSES, Loss(name="cross_entropy"), LOGITS, labels
    )


@pytest.mark.parametrize(
    "head", [CLASSES, LABELS, NUMBER, Head(kind="multiclass", outputs=3, one_vs_all=True)]
)
def test_a_student_who_says_what_the_teacher_says_has_nothing_to_learn(head):
    name = {"multilabel": "bce", "regression": "squared_error"}.get(
        head.kind, "bce" if head.one_vs_all else "cross_entropy"
    )
    logits = (LOGITS if head.outputs == 3 else LOGITS[:, :1]).clone().requires_grad_()
    loss = Loss(name=name, temperature=2.0, true_share=0.0)
    said = head.encode(head.activate(logits.detach()))
    loss_sum(head, loss, logits, torch.cat([said, said], dim=1)).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-5
    loss_sum(head, loss, logits, torch.cat([said, said.roll(1, 0)], dim=1)).backward()
    assert logits.grad.abs().max() > 0.01
