"""A learning-rate range test (Smith 2017): how the loss falls, and at what rate it stops falling."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from grandmaster.errors import UserError
from grandmaster.images.dataset import TrainingPictures
from grandmaster.images.loader import Batch, TrainLoader, train_loader
from grandmaster.training.batch_norm import freeze_batch_norm
from grandmaster.training.engine import inputs_of, mixed_targets, windows
from grandmaster.training.fit import start_model
from grandmaster.training.losses import loss_sum
from grandmaster.training.precision import Precision
from grandmaster.training.setting_up import set_up
from grandmaster.training.spec import FitSpec

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 60
# Of the running mean of the loss: with few steps little may be forgotten, and noise must not pass for a minimum.
SMOOTHING = 0.8
# The test ends where the loss is this many times its least.
DIVERGED = 2.0
# AdamW diverges soon after the rate of the least loss; a tenth of that is what fastai's finder takes too.
SAFETY = 0.1


class RateTest(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        rate: to train with, the peak.
        rates, losses: of every step; the losses are running means per picture.
    """

    rate: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]


def find_rate(
    spec: FitSpec,
    pictures: TrainingPictures,
    precision: Precision,
    *,
    workers: int,
    on_batch: Callable[[int], None] = lambda _: None,
) -> RateTest:
    """Train a fresh model for up to `STEPS` optimiser steps, each at a higher rate than the one before.

    Rates rise exponentially from `LOWEST` to `HIGHEST`; layer-wise factors apply as in the fit. The model is thrown
    away. Everything random follows from the spec's seed.

    Args:
        pictures: of training, with their augmentation.
        on_batch: called with the number of pictures after every micro-batch.

    Raises:
        UserError: the loss never falls.
    """
    fabric = precision.fabric
    net = start_model(spec, grad_checkpointing=spec.grad_checkpointing)
    model, optimiser, _ = set_up(net, msgspec.structs.replace(spec, ema_decay=0.0, compile=False), precision)
    loader = train_loader(
        pictures,
        batch_size=spec.micro_batch,
        workers=workers,
        pin_memory=spec.device == "cuda",
        balanced=spec.balanced_sampling,
    )
    model.train()
    if spec.batch_norm == "frozen":
        freeze_batch_norm(model)
    asked = np.geomspace(LOWEST, HIGHEST, STEPS)
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    with loader as batches:
        for step, window in zip(range(STEPS), windows(_endless(batches), spec.accumulation), strict=False):
            _set_rate(optimiser, float(asked[step]))
            count = sum(len(batch.targets) for batch in window)
            total = 0.0
            for batch, inputs in zip(window, inputs_of(window, spec), strict=True):
                targets = mixed_targets(batch, spec, inputs.device)
                loss = loss_sum(spec.head, spec.loss, model(inputs), targets, progress=0.0)
                fabric.backward(loss / count)
                total += float(loss.detach())
                on_batch(len(inputs))
            mean = SMOOTHING * mean + (1 - SMOOTHING) * total / count
            running = mean / (1 - SMOOTHING ** (step + 1))  # without the zero it began with
            if not np.isfinite(running) or (losses and running > DIVERGED * min(losses)):
                break
            rates.append(float(asked[step]))
            losses.append(running)
            if spec.clip_norm > 0:
                fabric.clip_gradients(model, optimiser, max_norm=spec.clip_norm, error_if_nonfinite=False)
            precision.step(optimiser)
            optimiser.zero_grad(set_to_none=True)
    return RateTest(rate=_suggested(rates, losses, spec), rates=tuple(rates), losses=tuple(losses))


def _endless(batches: TrainLoader) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from batches.epoch(epoch)


def _suggested(rates: list[float], losses: list[float], spec: FitSpec) -> float:
    least = int(np.argmin(losses)) if losses else 0
    if least == 0:
        raise UserError(
            f"the loss of {spec.backbone} falls at no rate",
            where="training.find_rate",
            fix="Set training.learning_rate instead.",
        )
    return float(f"{max(LOWEST, SAFETY * rates[least]):.2g}")


def _set_rate(optimiser: Any, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
