"""Real training steps of a real model on invented pictures, timed."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any, Literal

import msgspec
import torch

from grandmaster.images.loader import Batch
from grandmaster.models.builder import build_model
from grandmaster.models.head import Head
from grandmaster.models.memory_format import MemoryFormat
from grandmaster.models.weights import Weights
from grandmaster.training.engine import train_one_epoch
from grandmaster.training.losses import Loss
from grandmaster.training.optimiser import Schedule, make_optimiser
from grandmaster.training.precision import Precision
from grandmaster.training.setting_up import set_up
from grandmaster.training.spec import FitSpec


class StepSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a step is carried out; as in `FitSpec`."""

    memory_format: MemoryFormat
    fused: bool
    compile: bool = False


class StepCase(msgspec.Struct, frozen=True, kw_only=True):
    """Which step.

    Attributes:
        size: side of the square input, px.
        channels: of the input.
        micro_batch, accumulation: pictures a forward pass, forward passes a step.
    """

    timm_name: str
    weights: Weights
    size: int
    classes: int
    channels: int = 3
    micro_batch: int
    accumulation: int
    grad_checkpointing: bool
    device: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16", "fp16"]

    @property
    def pictures(self) -> int:
        """Of one step."""
        return self.micro_batch * self.accumulation


class TimedSteps:
    """A model from random weights that does one optimiser step a call, by the functions that a fit uses.

    Attributes:
        net: the bare network.
        average: of its weights.
    """

    def __init__(self, case: StepCase, settings: StepSettings, *, net: torch.nn.Module | None = None) -> None:
        self.case = case
        self.spec = synthetic_spec(case, settings)
        self.precision = Precision(case.device, case.precision)
        self.net = net if net is not None else build_net(case)
        self._model, self._optimiser, self.average = set_up(self.net, self.spec, self.precision)
        # A thousand steps: the rate stays in the warm-up, near zero, and the weights where they are.
        self._schedule = Schedule(self._optimiser, self.spec, 1000)
        self._batches = [synthetic_batch(case, seed) for seed in range(case.accumulation)]
        self._steps = 0

    def seconds(self) -> float:
        """One step, from the bytes of its pictures to the average of the weights."""
        wait_for(self.case.device)
        started = time.perf_counter()
        train_one_epoch(
            self.precision.fabric,
            self._model,
            self._optimiser,
            self._schedule,
            self.average,
            self._batches,
            self.spec,
            self.precision,
            epoch=0,
            first_step=self._steps,
            on_batch=lambda pictures: None,
        )
        wait_for(self.case.device)
        self._steps += 1
        return time.perf_counter() - started

    def autocast(self) -> AbstractContextManager[Any]:
        """For a forward pass alone, in the case's precision."""
        return self.precision.fabric.autocast()

    def optimiser_seconds(self, *, fused: bool, repeats: int) -> list[float]:
        """The optimiser's part of a step alone, with an optimiser of its own; the first call, which allocates, is left out."""
        optimiser = make_optimiser(self.net, msgspec.structs.replace(self.spec, fused=fused))
        found = []
        for parameter in self.net.parameters():
            parameter.grad = torch.full_like(parameter, 1e-3)
        for _ in range(repeats + 1):
            wait_for(self.case.device)
            started = time.perf_counter()
            optimiser.step()
            wait_for(self.case.device)
            found.append(time.perf_counter() - started)
        optimiser.zero_grad(set_to_none=True)
        return found[1:]


def wait_for(device: str) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def build_net(case: StepCase) -> torch.nn.Module:
    """The network, from random weights."""
    return build_model(
        case.timm_name,
        case.weights.unloaded(),
        classes=case.classes,
        input_size=case.size,
        in_channels=case.channels,
        grad_checkpointing=case.grad_checkpointing,
    )


def synthetic_batch(case: StepCase, seed: int) -> Batch:
    """One micro-batch of noise."""
    draw = torch.Generator().manual_seed(seed)
    shape = (case.micro_batch, case.size, case.size, case.channels)
    pictures = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw).permute(0, 3, 1, 2)
    targets = torch.randint(0, case.classes, (case.micro_batch,), generator=draw)
    if case.device == "cuda":
        pictures, targets = pictures.pin_memory(), targets.pin_memory()
    return Batch(
        pictures=pictures,
        targets=targets,
        rows=torch.arange(case.micro_batch),
        other_targets=targets,
        other_shares=torch.zeros(case.micro_batch),
    )


def synthetic_spec(case: StepCase, settings: StepSettings) -> FitSpec:
    """A fit that is never done: what its steps are made of is that of an ordinary one."""
    return FitSpec(
        backbone=case.timm_name,
        timm_name=case.timm_name,
        weights=case.weights,
        fold=0,
        head=Head(kind="multiclass", outputs=case.classes),
        classes_hash="",
        pictures_hash="",
        metric="accuracy",
        top_k=1,
        positive_class=0,
        selection="clean",
        input_size=case.size,
        in_channels=case.channels,
        store_size=case.size,
        operations=(),
        corruption=(),
        mix_probability=0.0,
        epochs=1,
        micro_batch=case.micro_batch,
        accumulation=case.accumulation,
        learning_rate=1e-4,
        layer_decay=1.0,
        rate_groups=(),
        weight_decay=0.05,
        warmup_fraction=0.5,
        final_rate_fraction=0.01,
        balanced_sampling=False,
        loss=Loss(name="cross_entropy", smoothing=0.05),
        clip_norm=1.0,
        ema_decay=0.99,
        batch_norm="train",
        drop_rate=0.0,
        drop_path=0.0,
        grad_checkpointing=case.grad_checkpointing,
        patience=0,
        device=case.device,
        precision=case.precision,
        memory_format=settings.memory_format,
        fused=settings.fused,
        compile=settings.compile,
        prediction_batch=case.micro_batch,
        tta_views=1,
        seed=0,
    )
