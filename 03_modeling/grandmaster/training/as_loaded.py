"""A model that predicts as it was loaded: a fit of no epochs, with its score."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from grandmaster.errors import UserError
from grandmaster.models.memory_format import to_memory_format
from grandmaster.models.passes import Passes
from grandmaster.progress import Progress
from grandmaster.storage import write_atomic
from grandmaster.training import checkpoint
from grandmaster.training.divergence import Diverged, as_planned
from grandmaster.training.fit import (
    FitResult,
    best_facts,
    peak_memory_gb,
    start_model,
)
from grandmaster.training.judging import FoldData, judge_epoch
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec


def take_as_loaded(
    spec: FitSpec,
    data: FoldData,
    folder: Path,
    precision: Precision,
    *,
    workers: int,
    progress: Progress,
    task: str,
) -> FitResult:
    """Score the loaded weights on the validation pictures and keep them as the best; nothing is trained.

    Args:
        spec: of no epochs.
        folder, workers, progress, task: as `fit_fold` takes them.

    Raises:
        UserError: weights that do not fit, or that predict what is not finite.
    """
    started = time.perf_counter()
    pictures = len(data.validation) + (0 if data.corrupted is None else len(data.corrupted))
    progress.start(task, pictures)
    net = precision.fabric.to_device(start_model(spec, grad_checkpointing=False))
    net = to_memory_format(net, spec.memory_format).eval()
    try:
        found = judge_epoch(precision.fabric, net, data, spec, workers)
    except Diverged as bad:
        raise UserError(
            str(bad), where=spec.weights.source, fix="These weights are damaged, or of another model."
        ) from bad
    seconds = time.perf_counter() - started
    line = {
        "epoch": 0,
        "train_loss": None,
        "learning_rate": None,
        "val_loss": found.loss,
        "val_score": found.clean,
        "val_score_corrupted": found.corrupted,
        "best": True,
        "seconds": round(seconds, 2),
        "images_per_second": None,
    }
    kept = folder / "checkpoint"
    weights = checkpoint.weights_of(net, half=spec.half_weights)
    checkpoint.save_best(kept, weights, best_facts(spec, 0, found.chosen))
    checkpoint.load_best(kept, net, fit_digest=spec.digest)  # as stored: what is predicted with from here on
    write_atomic(folder / "metrics.jsonl", msgspec.json.encode(line).decode() + "\n")
    progress.advance(task, pictures)
    return FitResult(
        model=net,
        best_score=found.chosen,
        best_epoch=0,
        part_epochs=(),  # nothing was chosen
        epochs=0,
        planned_epochs=0,
        stopped_early=False,
        out_of_time=False,
        history=[line],
        seconds=round(seconds, 1),
        images_per_second=0.0,
        memory_gb=peak_memory_gb(spec.device),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        passes=Passes(micro_batch=spec.micro_batch, grad_checkpointing=False),
        ease=as_planned(spec),
    )
