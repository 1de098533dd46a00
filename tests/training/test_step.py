"""How a step is carried out: memory format, fused optimiser, losses read late. None of it changes what is learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_cases import RANDOM, make_data, make_spec

from grandmaster.images.loader import Batch
from grandmaster.models.builder import build_model
from grandmaster.prediction.predict import predict
from grandmaster.progress import SilentProgress
from grandmaster.training.divergence import Diverged
from grandmaster.training.engine import train_one_epoch, validate
from grandmaster.training.fit import fit_fold
from grandmaster.training.optimiser import Schedule
from grandmaster.training.precision import Precision
from grandmaster.training.running_loss import LossSum
from grandmaster.training.setting_up import set_up


class Strides(nn.Module):
    """A network that notes how its inputs lie in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
        self.seen: list[bool] = []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.seen.append(pictures.is_contiguous(memory_format=torch.channels_last))
        logits: torch.Tensor = self.head(self.body(pictures).mean(dim=(2, 3)))
        return logits


def make_batch(count: int = 4) -> Batch:
    draw = torch.Generator().manual_seed(2)
    pictures = torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=draw)
    labels = torch.arange(count) % 3
    return Batch(
        pictures=pictures.permute(0, 3, 1, 2),
        targets=labels,
        rows=torch.arange(count),
        other_targets=labels,
        other_shares=torch.zeros(count),
    )


def train(net: nn.Module, batches: list[Batch], precision: Precision | None = None, **changes: Any):
    """One epoch; its mean loss, the weight average and the optimiser."""
    spec = make_spec(mix_probability=0.0, drop_rate=0.0, drop_path=0.0, accumulation=1, **changes)
    precision = precision or Precision("cpu", "fp32")
    model, optimiser, average = set_up(net, spec, precision)
    loss, _ = train_one_epoch(
        precision.fabric, model, optimiser, Schedule(optimiser, spec, 20), average, batches, spec, precision,
        epoch=0, first_step=0, on_batch=lambda _: None,
    )  # fmt: skip
    return loss, average, optimiser


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_the_memory_format_reaches_weights_average_moments_and_inputs(tmp_path, memory_format):
    last = memory_format == "channels_last"
    net = Strides()
    _, average, optimiser = train(net, [make_batch()], memory_format=memory_format)
    moments = optimiser.state[net.body.weight]["exp_avg"]
    for tensor in (net.body.weight, average.module.body.weight, moments):
        assert tensor.is_contiguous(memory_format=torch.channels_last) is last
    spec = make_spec(memory_format=memory_format)
    fabric = Precision("cpu", "fp32").fabric
    validate(fabric, net, [make_batch()], spec)
    found = predict(
        fabric,
        net,
        make_data(tmp_path, spec).validation,
        RANDOM,
        spec.head,
        device="cpu",
        memory_format=memory_format,
        batch_size=9,
        views=1,
    )
    assert len(found.rows) == 9
    assert net.seen == [last] * 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"fused": True}, {"fused": False}),
        ({"memory_format": "channels_last"}, {"memory_format": "contiguous"}),
    ],
)
def test_the_way_of_a_step_does_not_change_what_is_learnt(one, other):
    found = []
    for changes in (one, other):
        torch.manual_seed(0)
        net = build_model("test_resnet", RANDOM, classes=3, input_size=32)
        # small steps: Adam turns rounding of gradients near zero into steps of full length
        _, average, optimiser = train(net, [make_batch()] * 4, learning_rate=1e-5, **changes)
        assert optimiser.param_groups[0]["fused"] is (changes.get("fused", True) or None)
        found.append([*net.state_dict().values(), *average.module.state_dict().values()])
    for left, right in zip(*found, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)


def test_a_fit_is_resumed_bit_for_bit_in_the_other_way_too(tmp_path):
    class Stop(SilentProgress):
        left = 36 + 5

        def advance(self, task: str, units: int = 1, **facts: Any) -> None:
            self.left -= units
            if self.left < 0:
                raise KeyboardInterrupt

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spec = make_spec(memory_format="contiguous", fused=False, epochs=2)
    data = make_data(tmp_path, spec)

    def fit(name: str, progress: SilentProgress) -> list[torch.Tensor]:
        precision = Precision("cpu", "fp32")
        fitted = fit_fold(spec, data, tmp_path / name, precision, workers=0, progress=progress, task="t")
        return list(fitted.model.state_dict().values())

    whole = fit("whole", SilentProgress())
    with pytest.raises(KeyboardInterrupt):
        fit("cut", Stop())
    resumed = fit("cut", SilentProgress())
    torch.set_num_threads(threads)
    assert all(torch.equal(left, right) for left, right in zip(whole, resumed, strict=True))


def test_fp16_clips_for_a_fused_optimiser_too():
    """Fabric alone refuses: the fused step could unscale by itself."""
    norms = []
    for fused in (True, False):
        torch.manual_seed(0)
        net, precision = nn.Linear(4, 2), Precision("cpu", "fp16")
        model, optimiser = precision.fabric.setup(
            net, torch.optim.AdamW(net.parameters(), lr=0.1, fused=fused)
        )
        precision.fabric.backward(
            model(torch.ones(3, 4)).sum() * 1e-2
        )  # no overflow at the scaler's first scale
        precision.clip(model, optimiser, 0.005)
        norms.append(float(torch.cat([p.grad.flatten() for p in net.parameters()]).norm()))
        assert precision.step(optimiser) is True
    assert norms == pytest.approx([0.005, 0.005], rel=1e-3)


def test_fp16_overflow_skips_a_fused_step_too():
    torch.manual_seed(0)
    net, precision = nn.Linear(4, 2), Precision("cpu", "fp16")
    before = net.weight.detach().clone()
    model, optimiser = precision.fabric.setup(net, torch.optim.AdamW(net.parameters(), lr=0.1, fused=True))
    precision.fabric.backward(model(torch.ones(3, 4)).sum() * float("inf"))
    precision.clip(model, optimiser, 0.5)
    assert precision.step(optimiser) is False
    assert torch.equal(net.weight, before)


@pytest.mark.parametrize("delay", [0, 2, 99])
def test_losses_are_summed_and_the_bad_one_is_named_however_late_it_is_read(delay):
    values = np.random.default_rng(0).random(7)
    losses = LossSum("vit_large, fold 2", 4, delay=delay)
    for step, value in enumerate(values):
        losses.add(torch.tensor(value), step)
    assert losses.total() == pytest.approx(values.sum())

    losses = LossSum("vit_large, fold 2", 4, delay=delay)
    read = []
    with pytest.raises(Diverged, match="loss of vit_large, fold 2 is inf at epoch 5, step 4"):  # noqa: PT012
        for step, value in enumerate([1.0, 1.0, 1.0, float("inf"), 1.0, float("nan"), 1.0]):
            losses.add(torch.tensor(value), step)
            read.append(step)
        losses.total()
    assert len(read) == min(3 + delay, 7)
