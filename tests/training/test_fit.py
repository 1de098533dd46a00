"""A whole fit: it learns, resumes bit for bit, stops early, refuses what is not its own."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from training_cases import make_data, make_spec

from grandmaster.errors import UserError
from grandmaster.images.loader import train_loader
from grandmaster.models.head import Head
from grandmaster.progress import SilentProgress
from grandmaster.training import fit as fit_module
from grandmaster.training.batch_norm import re_estimate_batch_norm
from grandmaster.training.engine import inputs_of, train_one_epoch
from grandmaster.training.fit import fit_fold
from grandmaster.training.losses import Loss
from grandmaster.training.precision import Precision
from grandmaster.training.rate_groups import RateGroup

ADVANCED = Loss(name="advanced", smoothing=0.05, scale=16.0, first_scale=8.0, class_weights=(1.0, 0.8, 1.2))


class Killed(Exception):
    pass


class KillAt(SilentProgress):
    """Stops the process, so to speak, in the middle of an epoch."""

    def __init__(self, pictures: int) -> None:
        self.left = pictures

    def advance(self, task: str, units: int = 1, **facts: Any) -> None:
        self.left -= units
        if self.left < 0:
            raise Killed


def fit(folder, spec, data, progress=None):
    progress = progress or SilentProgress()
    return fit_fold(spec, data, folder, Precision("cpu", "fp32"), workers=0, progress=progress, task="t")


def history(folder) -> list[dict[str, Any]]:
    lines = [msgspec.json.decode(line) for line in (folder / "metrics.jsonl").read_bytes().splitlines()]
    for line in lines:
        del line["seconds"], line["images_per_second"]
    return lines


def test_it_learns_what_is_there_to_learn(tmp_path):
    spec = make_spec(epochs=12, mix_probability=0.0, learning_rate=1e-2)
    result = fit(tmp_path / "fit", spec, make_data(tmp_path, spec, 90))
    assert result.best_score > 0.9
    assert result.epochs == 12


@pytest.mark.parametrize("name", ["bce", "advanced"])
def test_it_learns_by_every_loss(tmp_path, name):
    head = Head(kind="multiclass", outputs=3, one_vs_all=name == "bce")
    loss = Loss(name=name, scale=16.0, first_scale=8.0)
    spec = make_spec(epochs=12, mix_probability=0.0, learning_rate=1e-2, loss=loss, head=head)
    result = fit(tmp_path / "fit", spec, make_data(tmp_path, spec, 90))
    assert result.best_score > 0.85
    lines = history(tmp_path / "fit")
    assert lines[-1]["val_loss"] < lines[0]["val_loss"]


KINDS = {
    "multilabel": {"head": Head(kind="multilabel", outputs=3), "metric": "macro_roc_auc"},
    "ordinal": {
        "head": Head(kind="ordinal", outputs=1, mean=(1.0,), std=(0.8,), low=0.0, high=2.0),
        "metric": "quadratic_weighted_kappa",
    },
    "regression": {"head": Head(kind="regression", outputs=1, mean=(110.0,), std=(8.0,)), "metric": "rmse"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_every_kind_of_target(tmp_path, kind):
    spec = make_spec(epochs=12, mix_probability=0.0, learning_rate=1e-2, **KINDS[kind])
    result = fit(tmp_path / "fit", spec, make_data(tmp_path, spec, 90))
    scores = [line["val_score"] for line in history(tmp_path / "fit")]
    if kind == "regression":
        assert max(min(scores), result.best_score) < 4  # guessing the mean is off by 8.2
    else:
        assert min(max(scores), result.best_score) > 0.85


@pytest.mark.parametrize(
    ("killed_after", "kind"),
    [
        (10, {}),
        (36 + 5, {}),
        (36 * 2 + 20, {}),
        (36 + 5, KINDS["multilabel"]),
        (36 + 5, KINDS["regression"]),
        (36 + 5, {"loss": ADVANCED, "balanced_sampling": True, "batch_norm": "re_estimated"}),
        (36 + 5, {"rate_groups": (RateGroup(pattern="fc", rate=1e-2),), "ema_decay": 0.0}),
    ],
)
@pytest.mark.fault(32, "killed with an average of weights")
@pytest.mark.fault(33, "killed at several pictures of a fit")
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, killed_after, kind):
    spec = make_spec(**kind)
    data = make_data(tmp_path, spec)
    whole = fit(tmp_path / "whole", spec, data)
    with pytest.raises(Killed):
        fit(tmp_path / "cut", spec, data, KillAt(killed_after))
    resumed = fit(tmp_path / "cut", spec, data)
    assert resumed.best_score == whole.best_score
    assert history(tmp_path / "cut") == history(tmp_path / "whole")
    kept = [path.name for path in sorted((tmp_path / "whole" / "checkpoint").iterdir())]
    assert kept == [path.name for path in sorted((tmp_path / "cut" / "checkpoint").iterdir())]
    for name in kept:
        if name.endswith(".safetensors"):
            one, other = (tmp_path / run / "checkpoint" / name for run in ("whole", "cut"))
            assert one.read_bytes() == other.read_bytes(), name


def test_resuming_does_not_repeat_finished_epochs(tmp_path):
    spec = make_spec()
    data = make_data(tmp_path, spec)
    with pytest.raises(Killed):
        fit(tmp_path / "cut", spec, data, KillAt(36 * 2 + 20))

    class Count(SilentProgress):
        trained = 0

        def advance(self, task: str, units: int = 1, **facts: Any) -> None:
            self.trained += units

    counting = Count()
    fit(tmp_path / "cut", spec, data, counting)
    assert counting.trained == 36 * 3  # two epochs announced at once, one really trained
    history_seconds = (tmp_path / "cut" / "metrics.jsonl").read_text().count("\n")
    assert history_seconds == 3


@pytest.mark.fault(35, "a checkpoint of other settings")
def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    spec = make_spec()
    data = make_data(tmp_path, spec)
    with pytest.raises(Killed):
        fit(tmp_path / "fit", spec, data, KillAt(40))
    with pytest.raises(UserError, match="other settings, pictures or classes"):
        fit(tmp_path / "fit", make_spec(learning_rate=1e-4), data)
    with pytest.raises(UserError, match="other settings, pictures or classes"):
        fit(tmp_path / "fit", make_spec(classes_hash="other"), data)


@pytest.mark.parametrize(("epochs", "stops_after"), [(4, 3), (9, 6), (15, 9)])
def test_it_stops_when_patience_is_over_and_the_rate_has_fallen(tmp_path, epochs, stops_after):
    # Rate so small that no epoch improves on the first.
    spec = make_spec(
        epochs=epochs,
        patience=2,
        learning_rate=1e-12,
        ema_decay=0.0,
        drop_rate=0.0,
        drop_path=0.0,
        batch_norm="frozen",
    )
    result = fit(tmp_path / "fit", spec, make_data(tmp_path, spec))
    assert (result.best_epoch, result.epochs, result.stopped_early) == (1, stops_after, True)


def test_best_epoch_is_that_of_the_metric_and_its_weights_are_returned(tmp_path):
    spec = make_spec(epochs=6, learning_rate=1e-2, mix_probability=0.0)
    data = make_data(tmp_path, spec)
    result = fit(tmp_path / "fit", spec, data)
    lines = history(tmp_path / "fit")
    scores = [line["val_score"] for line in lines]
    means = [np.mean(scores[max(0, last - 2) : last + 1]) for last in range(len(scores))]
    assert result.best_epoch == int(np.argmax(means)) + 1
    from safetensors.torch import load_file

    stored = load_file(tmp_path / "fit" / "checkpoint" / "best.safetensors")
    assert all(torch.equal(tensor, stored[name]) for name, tensor in result.model.state_dict().items())


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_re_estimated_statistics_are_those_of_training_pictures_under_the_kept_weights(tmp_path, ema_decay):
    spec = make_spec(epochs=1, batch_norm="re_estimated", ema_decay=ema_decay)
    data = make_data(tmp_path, spec)
    model = fit(tmp_path / "fit", spec, data).model
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches = train_loader(data.train, batch_size=spec.micro_batch, workers=0)
    re_estimate_batch_norm(model, inputs_of(batches.epoch(0), spec))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, kept[name])
    plain = fit(tmp_path / "plain", make_spec(epochs=1, ema_decay=ema_decay), data).model.state_dict()
    for name in kept:
        # the weights are learnt as without, the statistics are others
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(plain[name], kept[name]) == ("running_" not in name)


def test_balanced_sampling_shows_every_class_equally_often(tmp_path, monkeypatch):
    spec = make_spec(epochs=1, balanced_sampling=True)
    data = make_data(tmp_path, spec)
    rare = data.train.targets[data.train.rows] == 2
    data.train.rows = np.concatenate([data.train.rows[~rare], data.train.rows[rare][:3]])
    seen: list[int] = []

    def remember(*args, **kwargs):
        batches = list(args[5])
        seen.extend(int(target) for batch in batches for target in batch.targets)
        return train_one_epoch(*args[:5], batches, *args[6:], **kwargs)

    monkeypatch.setattr(fit_module, "train_one_epoch", remember)
    fit(tmp_path / "fit", spec, data)
    counts = np.bincount(seen)
    assert counts.sum() == len(data.train)
    assert counts.max() - counts.min() <= 1


def test_lower_is_better_for_log_loss(tmp_path):
    spec = make_spec(epochs=5, metric="log_loss", learning_rate=1e-2, mix_probability=0.0)
    result = fit(tmp_path / "fit", spec, make_data(tmp_path, spec))
    scores = [line["val_score"] for line in history(tmp_path / "fit")]
    means = [np.mean(scores[max(0, last - 2) : last + 1]) for last in range(len(scores))]
    assert result.best_score == pytest.approx(min(means))


def test_the_epoch_is_judged_on_rows_where_several_pictures_make_one(tmp_path):
    spec = make_spec(epochs=2, metric="accuracy")
    data = make_data(tmp_path, spec)
    # all validation pictures are one row: it is right or wrong as a whole
    whole = dataclasses.replace(data, row_of=np.zeros(45, int))
    fit(tmp_path / "fit", spec, whole)
    assert {line["val_score"] for line in history(tmp_path / "fit")} <= {0.0, 1.0}
    fit(tmp_path / "alone", spec, data)
    assert not {line["val_score"] for line in history(tmp_path / "alone")} <= {0.0, 1.0}


def test_validation_pictures_of_one_side_only_are_one_clear_error(tmp_path):
    spec = make_spec(epochs=1, metric="macro_roc_auc", head=Head(kind="multilabel", outputs=3))
    data = make_data(tmp_path, spec)
    data.validation.targets[:] = 0
    with pytest.raises(UserError, match=r"fold 0 cannot be scored by mean ROC AUC .*folds.count"):
        fit(tmp_path / "fit", spec, data)
