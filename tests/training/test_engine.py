"""One epoch: windows, gradients, the schedule, what is random and what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from training_cases import make_spec

from grandmaster.errors import UserError
from grandmaster.images.loader import Batch
from grandmaster.images.normalise import to_input
from grandmaster.models.head import Head, make_head
from grandmaster.training import engine
from grandmaster.training.engine import train_one_epoch, validate, windows
from grandmaster.training.losses import USUAL, Loss, loss_sum
from grandmaster.training.optimiser import Schedule, make_optimiser
from grandmaster.training.precision import Precision


def net(outputs: int = 3) -> nn.Module:
    """Without BatchNorm and dropout: there, and only there, are split batches the same as one."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.GELU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, outputs)
    )


HEADS = {
    "multiclass": Head(kind="multiclass", outputs=3),
    "multilabel": Head(kind="multilabel", outputs=3),
    "ordinal": Head(kind="ordinal", outputs=1, mean=(1.2,), std=(0.8,), low=0.0, high=2.0),
    "regression": Head(kind="regression", outputs=3, mean=(50.0, 2.0, 0.0), std=(20.0, 0.5, 1.0)),
}


def targets_of(kind: str, count: int) -> torch.Tensor:
    rng = np.random.default_rng(4)
    if kind == "multiclass":
        return torch.from_numpy(rng.integers(0, 3, count))
    if kind == "multilabel":
        return torch.from_numpy((rng.random((count, 3)) < 0.4).astype(np.float32))
    if kind == "ordinal":
        return torch.from_numpy(rng.integers(0, 3, (count, 1)).astype(np.float32))
    return torch.from_numpy(rng.normal((50, 2, 0), (20, 0.5, 1), (count, 3)).astype(np.float32))


def batches(sizes: list[int], kind: str = "multiclass", *, shares: float = 0.0):
    """`shares`: of the next picture's target in every picture's."""
    rng = np.random.default_rng(3)
    total = sum(sizes)
    pictures = torch.from_numpy(rng.integers(0, 255, (total, 3, 16, 16), np.uint8))
    labels = targets_of(kind, total)
    start = 0
    for size in sizes:
        rows = torch.arange(start, start + size)
        yield Batch(
            pictures=pictures[rows],
            targets=labels[rows],
            rows=rows,
            other_targets=labels[(rows + 1) % total],
            other_shares=torch.full((size,), shares),
        )
        start += size


def weights_after(
    sizes: list[int],
    accumulation: int,
    *,
    clip: float = 0.0,
    steps: int | None = None,
    kind: str = "multiclass",
    loss: Loss | None = None,
) -> torch.Tensor:
    spec = make_spec(
        accumulation=accumulation,
        mix_probability=0.0,
        clip_norm=clip,
        weight_decay=0.0,
        head=HEADS[kind],
        loss=loss or Loss(name=USUAL[kind], smoothing=0.05),
    )
    precision = Precision("cpu", "fp32")
    model = net(HEADS[kind].outputs)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model, wrapped = precision.fabric.setup(model, optimiser)
    _, done = train_one_epoch(
        precision.fabric, model, wrapped, Schedule(wrapped, make_spec(learning_rate=0.1), 10), None, batches(sizes, kind),
        spec, precision, epoch=0, first_step=0, on_batch=lambda _: None,
    )  # fmt: skip
    if steps is not None:
        assert done == steps
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("clip", [0.0, 0.05])
@pytest.mark.fault(14, "a last, shorter window")
@pytest.mark.fault(15, "accumulated against one large batch")
def test_accumulating_equals_one_large_batch_last_window_included(clip, kind):
    # Windows of 8 pictures; the last one has 5, in batches of 2, 2 and 1.
    split = weights_after([2, 2, 2, 2, 2, 2, 1], 4, clip=clip, steps=2, kind=kind)
    whole = weights_after([8, 5], 1, clip=clip, steps=2, kind=kind)
    assert torch.allclose(split, whole, atol=1e-6)
    # The test can fail: the same pictures in other windows give other weights.
    assert not torch.allclose(split, weights_after([5, 8], 1, clip=clip, kind=kind), atol=1e-6)


@pytest.mark.parametrize("name", ["focal", "bce", "arcface", "advanced"])
def test_the_windows_of_every_loss_are_those_of_one_large_batch(name):
    loss = Loss(name=name, smoothing=0.1, class_weights=(0.5, 1.0, 2.0), first_scale=10.0, ramp=0.5)
    split = weights_after([2, 2, 2, 2, 2, 2, 1], 4, steps=2, loss=loss)
    whole = weights_after([8, 5], 1, steps=2, loss=loss)
    assert torch.allclose(split, whole, atol=1e-6)
    assert not torch.allclose(split, weights_after([8, 5], 1, steps=2), atol=1e-6)  # not the usual loss


def test_what_rises_during_training_rises_with_the_steps(monkeypatch):
    seen: list[float] = []

    def remember(*args, progress: float, **others):
        seen.append(progress)
        return loss_sum(*args, progress=progress, **others)

    monkeypatch.setattr(engine, "loss_sum", remember)
    precision = Precision("cpu", "fp32")
    model = net()
    model, optimiser = precision.fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    spec = make_spec(accumulation=2, mix_probability=0.0)
    train_one_epoch(
        precision.fabric, model, optimiser, Schedule(optimiser, spec, 10), None, batches([4, 4, 4, 4]), spec, precision,
        epoch=1, first_step=3, on_batch=lambda _: None,
    )  # fmt: skip
    assert seen == pytest.approx([0.3, 0.3, 0.4, 0.4])


def test_values_are_in_the_targets_own_unit():
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    torch.testing.assert_close(HEADS["multiclass"].activate(logits).sum(), torch.tensor(1.0))
    torch.testing.assert_close(HEADS["multilabel"].activate(logits), logits.sigmoid())
    torch.testing.assert_close(HEADS["regression"].activate(logits), torch.tensor([[90.0, 1.5, 0.5]]))
    # a grade is kept within those of training
    grades = HEADS["ordinal"].activate(torch.tensor([[-9.0], [0.0], [9.0]]))
    torch.testing.assert_close(grades, torch.tensor([[0.0], [1.2], [2.0]]))


@pytest.mark.parametrize("kind", HEADS)
def test_validation_returns_truth_and_values_in_one_unit(kind):
    spec = make_spec(head=HEADS[kind])
    rows, truth, values, loss = validate(
        Precision("cpu", "fp32").fabric, net(HEADS[kind].outputs), batches([4, 3], kind), spec
    )
    assert rows.tolist() == list(range(7))
    assert np.array_equal(truth, targets_of(kind, 7).numpy())
    assert values.shape == (7, HEADS[kind].outputs)
    assert loss > 0
    if kind == "regression":  # near the means, as an untrained model says
        assert np.abs(values.mean(axis=0) - (50, 2, 0)).max() < 20


def test_the_head_takes_its_scale_from_the_targets():
    numbers = np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)
    head = make_head("regression", ("a", "b"), numbers)
    assert (head.mean, head.std, head.low) == ((2.0, 5.0), (1.0, 1.0), None)
    grades = make_head("ordinal", ("grade",), np.array([[0.0], [4.0]], np.float32))
    assert (grades.low, grades.high, grades.outputs) == (0.0, 4.0, 1)
    assert make_head("multilabel", ("a", "b"), numbers) == Head(kind="multilabel", outputs=2)


def test_windows_keep_everything():
    assert [len(window) for window in windows(batches([1] * 7), 3)] == [3, 3, 1]


def test_a_loss_that_is_not_finite_is_named():
    spec = make_spec(mix_probability=0.0)
    precision = Precision("cpu", "fp32")
    model = net()
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    model, optimiser = precision.fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(UserError, match="test_resnet, fold 0 is nan at epoch 1, step 1"):
        train_one_epoch(
            precision.fabric, model, optimiser, Schedule(optimiser, spec, 4), None, batches([4]), spec, precision,
            epoch=0, first_step=0, on_batch=lambda _: None,
        )  # fmt: skip


def test_schedule_warms_up_reaches_the_peak_and_falls_to_the_floor():
    spec = make_spec(learning_rate=1e-2, warmup_fraction=0.1, final_rate_fraction=0.05)
    optimiser = torch.optim.SGD(net().parameters(), lr=1e-2)
    schedule = Schedule(optimiser, spec, 100)
    rates = []
    for step in range(101):
        schedule.set_step(step)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-2)
    assert int(np.argmax(rates)) == 10
    assert rates[100] == pytest.approx(5e-4, rel=0.02)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def rates_of(spec: Any, bends: list[tuple[int, int]], steps: int = 100, until: int = 0) -> list[float]:
    """Rates of every step where, at step a, the end is moved to b: (a, b)."""
    optimiser = torch.optim.SGD(net().parameters(), lr=1e-2)
    schedule, found = Schedule(optimiser, spec, steps), []
    for step in range(until or steps + 1):
        for at, end in bends:
            if step == at:
                schedule.bend(step, end)
        schedule.set_step(step)
        found.append(optimiser.param_groups[0]["lr"])
    return found


def test_a_schedule_that_is_shortened_still_ends_at_the_floor():
    spec = make_spec(learning_rate=1e-2, warmup_fraction=0.1, final_rate_fraction=0.05)
    plain, bent = rates_of(spec, []), rates_of(spec, [(40, 60), (50, 55)], until=56)
    assert bent[:41] == plain[:41], "nothing changes until then, and nothing jumps"
    assert bent[41] < plain[41]
    assert bent[50] == pytest.approx(plain[70]), "half of what was left is behind"
    assert bent[55] == pytest.approx(5e-4)
    assert bent[10:] == sorted(bent[10:], reverse=True)


def test_a_schedule_that_is_lengthened_goes_on_as_if_that_had_been_planned():
    spec = make_spec(learning_rate=1e-2, warmup_fraction=0.1, final_rate_fraction=0.05)
    bent, longer = rates_of(spec, [(4, 300)], until=301), rates_of(spec, [], steps=300)
    assert bent[:4] == rates_of(spec, [])[:4]
    np.testing.assert_allclose(bent[4:], longer[4:], rtol=1e-9)


def test_what_follows_the_share_of_the_schedule_follows_its_bends():
    optimiser = torch.optim.SGD(net().parameters(), lr=1e-2)
    schedule = Schedule(optimiser, make_spec(), 100)
    assert schedule.progress(40) == 0.4
    bend = schedule.bend(40, 60)
    assert [schedule.progress(step) for step in (40, 50, 60, 70)] == pytest.approx([0.4, 0.7, 1.0, 1.0])
    again = Schedule(optimiser, make_spec(), 100, [bend])
    assert again.progress(50) == schedule.progress(50)


def test_layer_decay_gives_lower_rates_towards_the_input():
    import timm

    model = timm.create_model("test_vit", num_classes=3)
    spec = make_spec(layer_decay=0.5)
    optimiser = make_optimiser(model, spec)
    Schedule(optimiser, spec, 10).set_step(5)
    rate = {id(parameter): group["lr"] for group in optimiser.param_groups for parameter in group["params"]}
    assert (
        rate[id(model.patch_embed.proj.weight)]
        < rate[id(model.blocks[-1].attn.qkv.weight)]
        < rate[id(model.head.weight)]
    )
    # No decay on biases and norms.
    decay = {id(p): group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}
    assert decay[id(model.head.bias)] == 0
    assert decay[id(model.head.weight)] == spec.weight_decay


class SkippingScaler:
    """A scaler that finds an overflow in the steps named."""

    def __init__(self, overflows: set[int]) -> None:
        self.calls, self.scale, self.overflows = 0, 1024.0, overflows

    def get_scale(self) -> float:
        return self.scale


@pytest.mark.fault(16, "skipped updates")
def test_a_skipped_step_does_not_advance_the_schedule():
    precision = Precision("cpu", "fp32")
    scaler = SkippingScaler({1})
    precision.scaler = scaler  # type: ignore[assignment]

    class Optimiser(torch.optim.SGD):
        def step(self, closure=None):
            scaler.calls += 1
            if scaler.calls in scaler.overflows:
                scaler.scale /= 2
                return None
            return super().step(closure)

    model = net()
    model, optimiser = precision.fabric.setup(model, Optimiser(model.parameters(), lr=0.1))
    spec = make_spec(accumulation=1, mix_probability=0.0)
    _, done = train_one_epoch(
        precision.fabric, model, optimiser, Schedule(optimiser, spec, 10), None, batches([4, 4, 4]), spec, precision,
        epoch=0, first_step=0, on_batch=lambda _: None,
    )  # fmt: skip
    assert scaler.calls == 3
    assert done == 2


@pytest.mark.fault(17, "an overflow in fp16")
def test_fp16_overflow_skips_the_step_and_lowers_the_scale():
    precision = Precision("cpu", "fp16")
    model = nn.Linear(4, 2)
    model, optimiser = precision.fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    before = model.weight.detach().clone()
    scale = precision.scaler.get_scale()
    precision.fabric.backward((model(torch.ones(2, 4)) * float("inf")).sum())
    assert precision.step(optimiser) is False
    assert precision.scaler.get_scale() == scale / 2
    assert torch.equal(model.weight, before)
    optimiser.zero_grad()
    precision.fabric.backward(model(torch.ones(2, 4)).sum() * 1e-3)
    assert precision.step(optimiser) is True
    assert not torch.equal(model.weight, before)


@pytest.mark.parametrize("kind", HEADS)
def test_mixed_pictures_are_learnt_as_the_mixture_they_are(kind):
    """The loss of a mixed picture is that of its targets blended by their shares, computed here by hand.

    Estimated values are those of the picture itself: nobody's value is the mean of two pictures'.
    """
    head, plain = HEADS[kind], Loss(name=USUAL[kind])
    (batch,) = batches([4], kind, shares=0.25)
    torch.manual_seed(0)
    model = net(head.outputs)
    with torch.no_grad():
        model[-1].weight.mul_(20)  # far from guessing, so that it matters what is blended
    inputs = to_input(batch.pictures, (0.5,) * 3, (0.5,) * 3, device="cpu", channels_last=True)
    blended = 0.75 * head.encode(batch.targets) + 0.25 * head.encode(batch.other_targets)
    if head.estimates:
        blended = head.encode(batch.targets)
    logits = model(inputs).detach()
    expected = float(loss_sum(head, plain, logits, blended)) / 4
    spec = make_spec(
        head=head, learning_rate=0.1, mix_probability=0.0, loss=plain, accumulation=1, micro_batch=4
    )
    precision = Precision("cpu", "fp32")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.0)
    wrapped_model, wrapped = precision.fabric.setup(model, optimiser)
    loss, _ = train_one_epoch(
        precision.fabric, wrapped_model, wrapped, Schedule(wrapped, spec, 1), None, [batch], spec, precision,
        epoch=0, first_step=0, on_batch=lambda _: None,
    )  # fmt: skip
    assert loss == pytest.approx(expected, rel=1e-5)
    unmixed = float(loss_sum(head, plain, logits, head.encode(batch.targets))) / 4
    assert (abs(unmixed - expected) > 1e-4) == (not head.estimates)
