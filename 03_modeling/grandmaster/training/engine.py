"""One epoch of training and one pass of validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from grandmaster.images.loader import Batch
from grandmaster.images.mixing import mix_batch
from grandmaster.images.normalise import to_input
from grandmaster.models.passes import in_passes, split
from grandmaster.training.batch_norm import freeze_batch_norm
from grandmaster.training.losses import loss_sum
from grandmaster.training.optimiser import Schedule
from grandmaster.training.precision import Precision
from grandmaster.training.running_loss import LossSum
from grandmaster.training.spec import FitSpec


def windows(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """Micro-batches in groups of `size`, the last group maybe shorter: one group is one optimiser step."""
    window: list[Batch] = []
    for batch in batches:
        window.append(batch)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window


def train_one_epoch(
    fabric: Fabric,
    model: nn.Module,
    optimiser: Any,
    schedule: Schedule,
    average: ModelEmaV3 | None,
    batches: Iterable[Batch],
    spec: FitSpec,
    precision: Precision,
    *,
    epoch: int,
    first_step: int,
    on_batch: Any,
    micro_batch: int | None = None,
) -> tuple[float, int]:
    """Train on every picture once.

    The gradient of a window is that of its micro-batches concatenated, also in the last, shorter window: each
    micro-batch's summed loss is divided by the number of pictures in the whole window.

    Args:
        model, optimiser: as `fabric.setup` returned them.
        average: weight average, updated after every step, or None.
        epoch: from 0; with the seed it decides all randomness of the epoch.
        first_step: optimiser steps done before this epoch.
        on_batch: called with the number of pictures after every batch.
        micro_batch: pictures a pass where batches turned out to be too large: each is split after it was mixed, so
            windows, order, mixing, schedule and number of steps stay those of the spec. None: as they come.

    Returns:
        Mean loss per picture; optimiser steps done in total.

    Raises:
        Diverged: the loss is not finite.
    """
    # Dropout and stochastic depth draw from torch's generator: seeding it per epoch makes a resumed epoch the same.
    torch.manual_seed(int(np.random.SeedSequence((spec.seed, spec.fold, epoch)).generate_state(1)[0]))
    rng = np.random.default_rng((spec.seed, spec.fold, epoch, 1))
    model.train()
    if spec.batch_norm == "frozen":
        freeze_batch_norm(model)
    step, seen = first_step, 0
    losses = LossSum(
        f"{spec.backbone}, fold {spec.fold}",
        epoch,
        delay=0 if spec.device == "cpu" else 2 * spec.accumulation,
    )
    for window in windows(batches, spec.accumulation):
        pictures_in_window = sum(len(batch.targets) for batch in window)
        schedule.set_step(step)
        done = schedule.progress(step)
        for batch in window:
            inputs = _inputs(batch.pictures, spec)
            targets = mixed_targets(batch, spec, inputs.device)
            if batch.weights is not None:
                # As one more column: where pictures are mixed, so are their weights.
                own = batch.weights.to(inputs.device, non_blocking=True)[:, None]
                targets = torch.cat([targets, own], dim=1)
            if spec.mix_probability > 0:
                inputs, targets = mix_batch(inputs, targets, rng, spec.mix_probability)
            weights = None if batch.weights is None else targets[:, -1]
            targets = targets if batch.weights is None else targets[:, :-1]
            size = micro_batch or len(inputs)
            counted = repeat(None) if weights is None else split(weights, size)
            # Not strict: what counts the same has no end.
            for passed, wanted, counts in zip(
                split(inputs, size), split(targets, size), counted, strict=False
            ):
                loss = loss_sum(
                    spec.head,
                    spec.loss,
                    model(passed),
                    wanted,
                    progress=done,
                    weights=counts,
                )
                fabric.backward(loss / pictures_in_window)
                losses.add(loss, step)
            seen += len(inputs)
            on_batch(len(inputs))
        if spec.clip_norm > 0:
            precision.clip(model, optimiser, spec.clip_norm)
        if precision.step(optimiser):
            step += 1
            if average is not None:
                average.update(_bare(model), step=step)
        optimiser.zero_grad(set_to_none=True)
    return losses.total() / max(1, seen), step


@torch.inference_mode()
def validate(
    fabric: Fabric, model: nn.Module, batches: Iterable[Batch], spec: FitSpec
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any], npt.NDArray[np.float32], float]:
    """Rows of the store (n,), their targets, values (n, outputs) and mean `Loss.judged` of a validation set."""
    model.eval()
    rows, truths, outputs, total = [], [], [], 0.0

    def forward(pictures: Tensor) -> Tensor:
        with fabric.autocast():
            logits: Tensor = model(_inputs(pictures, spec))
        return logits.float().cpu()

    for batch in batches:
        logits = torch.cat(in_passes(forward, batch.pictures, model))
        # A mixed picture counts as what it was before: that is what it is to be recognised as.
        total += float(loss_sum(spec.head, spec.loss.judged, logits, spec.head.encode(batch.targets)))
        rows.append(batch.rows.numpy())
        truths.append(batch.targets.numpy())
        outputs.append(spec.head.activate(logits).numpy())
    seen = np.concatenate(truths)
    return np.concatenate(rows), seen, np.concatenate(outputs), total / len(seen)


def mixed_targets(batch: Batch, spec: FitSpec, device: torch.device) -> Tensor:
    """Targets as the loss wants them, of mixed pictures by shares, float32 (b, outputs), or (b, 2 outputs) with a teacher's.

    Estimated values are not blended: a picture with another one in it still has the value of what it mainly is.
    """

    def encoded(targets: Tensor) -> Tensor:
        moved = targets.to(device, non_blocking=True)
        if moved.ndim == 2 and moved.shape[1] == 2 * spec.head.outputs:
            return torch.cat([spec.head.encode(half) for half in moved.chunk(2, dim=1)], dim=1)
        return spec.head.encode(moved)

    targets = encoded(batch.targets)
    if spec.head.estimates or not batch.other_shares.any():
        return targets
    others = encoded(batch.other_targets)
    return torch.lerp(targets, others, batch.other_shares.to(device, non_blocking=True)[:, None])


def _inputs(pictures: Tensor, spec: FitSpec) -> Tensor:
    return to_input(
        pictures,
        spec.weights.mean,
        spec.weights.std,
        device=spec.device,
        channels_last=spec.memory_format == "channels_last",
    )


def inputs_of(batches: Iterable[Batch], spec: FitSpec) -> Iterator[Tensor]:
    """Normalised pictures of batches, on the fit's device."""
    for batch in batches:
        yield _inputs(batch.pictures, spec)


def _bare(model: Any) -> nn.Module:
    """The module inside Fabric's wrapper."""
    bare: nn.Module = getattr(model, "module", model)
    return bare
