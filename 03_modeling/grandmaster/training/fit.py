"""Fit one model on one fold: from weights to best epoch, resumable after every epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from grandmaster.competition.metrics import METRICS
from grandmaster.errors import UserError
from grandmaster.images.loader import TrainLoader, train_loader
from grandmaster.models.activations import CONTEXT_GIB, GIB
from grandmaster.models.builder import build_model
from grandmaster.models.passes import Passes, free_memory, is_out_of_memory
from grandmaster.progress import Progress
from grandmaster.stopwatch import spending, waiting_for
from grandmaster.training import checkpoint
from grandmaster.training.batch_norm import re_estimate_batch_norm
from grandmaster.training.brake import Brake, OutOfTime
from grandmaster.training.divergence import (
    TRIES,
    Diverged,
    Ease,
    FitFailed,
    as_planned,
    next_ease,
    resynchronise,
)
from grandmaster.training.engine import inputs_of, train_one_epoch
from grandmaster.training.judging import FoldData, judge_epoch
from grandmaster.training.keeping import EpochKeeper
from grandmaster.training.optimiser import Schedule
from grandmaster.training.precision import Precision
from grandmaster.training.setting_up import set_up
from grandmaster.training.spec import FitSpec

# Share of the epochs before which no fit is stopped for want of a better score.
EARLIEST_STOP = 0.6


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """What came of a fit; `model` holds the best epoch's weights as they are stored.

    Attributes:
        part_epochs: by part of the held-out pictures, the epoch that the other parts chose; its weights are read by
            `checkpoint.load_leader` until the state is removed.
        planned_epochs: as many as it was to have in the end, which a brake may have changed.
        out_of_time: the brake ended it; it can be gone on with from its last whole epoch.
        history: the lines of `metrics.jsonl`.
        passes: what fitted the memory in the end.
        ease: what kept the loss finite in the end.
    """

    model: nn.Module
    best_score: float
    best_epoch: int
    part_epochs: tuple[int, ...]
    epochs: int
    planned_epochs: int
    stopped_early: bool
    out_of_time: bool
    history: list[dict[str, Any]]
    seconds: float
    images_per_second: float
    memory_gb: float
    parameters: int
    passes: Passes
    ease: Ease


class MemoryShort(Exception):
    """Memory ran out while training.

    Attributes:
        smaller: passes to go on with; None: there are none.
    """

    def __init__(self, epoch: int, smaller: Passes | None) -> None:
        super().__init__(f"memory ran out in epoch {epoch}")
        self.smaller = smaller


def fit_fold(
    spec: FitSpec,
    data: FoldData,
    folder: Path,
    precision: Precision,
    *,
    workers: int,
    progress: Progress,
    task: str,
    known: Passes | None = None,
    brake: Brake | None = None,
) -> FitResult:
    """Train, keeping the best epoch by the competition's metric; go on from the last whole epoch if there is one.

    When memory runs out, the last whole epoch is loaded and the next repeated in smaller passes: pictures, order,
    mixing, steps and rates are those of the spec, and from there on the result is bit for bit that of a fit which had
    passes of that size from that epoch on. (Dropout draws, BatchNorm's statistics and the last bits of sums do depend
    on the size of a pass.) What fits is kept beside the state for a later start.

    When a loss is not finite, the last whole epoch is loaded, too, and the fit goes on with less risk (`next_ease`), at
    most `TRIES` times.

    Args:
        folder: of this fit; gets `checkpoint/` and `metrics.jsonl`.
        workers: picture-loading processes.
        task: name under which progress is reported.
        known: passes that an earlier fit of this model came down to; None: as in the spec.
        brake: gives the fit more or fewer epochs than the spec, or ends it. In mid-epoch the best epoch so far is kept;
            where there is none yet, what was trained is validated, so that there is always a model with a score.

    Raises:
        FitFailed: the loss diverged once too often, or memory is too small even for the smallest pass.
        UserError: the folder holds another fit, or weights do not fit.
    """
    kept = folder / "checkpoint"
    planned = Passes(micro_batch=spec.micro_batch, grad_checkpointing=spec.grad_checkpointing)
    passes = checkpoint.load_passes(kept, fit_digest=spec.digest) or known or planned
    ease = checkpoint.load_ease(kept, fit_digest=spec.digest) or as_planned(spec)
    if ease.precision != spec.precision:
        precision = Precision(spec.device, ease.precision)
    while True:
        try:
            with (
                train_loader(
                    data.train,
                    batch_size=spec.micro_batch,
                    workers=workers,
                    pin_memory=spec.device == "cuda",
                    balanced=spec.balanced_sampling,
                ) as batches,
                EpochKeeper(spec, folder) as keeper,
            ):
                return _fit(
                    spec,
                    data,
                    batches,
                    keeper,
                    precision,
                    passes,
                    ease,
                    workers=workers,
                    progress=progress,
                    task=task,
                    brake=brake,
                )
        except MemoryShort as short:
            where, smaller = f"{spec.backbone}, fold {spec.fold}", short.smaller
            if smaller is None:
                raise FitFailed(
                    f"{short} even with {passes} of {spec.input_size} px",
                    where=where,
                    fix="Free memory that other processes hold, or set a smaller model.image_size or another backbone, "
                    "with another --experiment_name.",
                ) from short
            said = f"{where}: {short} with {passes}; it is repeated with {smaller}, the pictures of a step stay the same"
            passes = smaller
        except Diverged as bad:
            safer = next_ease(ease)
            if safer is None:
                raise FitFailed(
                    f"{bad}, also after the last good state was loaded {TRIES} times, at last with {ease}",
                    where=f"{spec.backbone}, fold {spec.fold}",
                    fix="Lower training.learning_rate or try another backbone, with another --experiment_name.",
                ) from bad
            said = f"{bad}; it goes on from the last good state with {safer}"
            ease = safer
        # Only here are the failed attempt's tensors free: the exception held its frames.
        free_memory()
        if passes != planned:
            checkpoint.save_passes(kept, passes, fit_digest=spec.digest)
        if ease.tries:
            checkpoint.save_ease(kept, ease, fit_digest=spec.digest)
        progress.message(said, "warn")
        precision = Precision(spec.device, ease.precision)  # the scaler is in the middle of a step


def _fit(
    spec: FitSpec,
    data: FoldData,
    batches: TrainLoader,
    keeper: EpochKeeper,
    precision: Precision,
    passes: Passes,
    ease: Ease,
    *,
    workers: int,
    progress: Progress,
    task: str,
    brake: Brake | None,
) -> FitResult:
    """The fit in passes of one size, with one risk.

    Raises:
        MemoryShort: the passes are too large.
        Diverged: the risk is.
    """
    fabric = precision.fabric
    net = start_model(spec, grad_checkpointing=passes.grad_checkpointing)
    eased = ease.eased(spec)
    model, optimiser, average = set_up(net, eased, precision)
    steps_per_epoch = -(-len(batches) // spec.accumulation)

    averaged_net = None if average is None else average.module
    state = checkpoint.load_state(keeper.kept, net, averaged_net, fit_digest=spec.digest)
    begun = state is not None
    state = state or checkpoint.TrainState()
    epochs = state.epochs or spec.epochs
    schedule = Schedule(optimiser, eased, steps_per_epoch * spec.epochs, state.bends)
    if begun:
        # After the schedule, which takes the rates from the optimiser as it was made.
        optimiser.load_state_dict(state.optimiser)
        if precision.scaler is not None and state.scaler:
            precision.scaler.load_state_dict(state.scaler)

    higher = METRICS[spec.metric].higher_is_better
    if spec.device == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def show_start() -> None:
        progress.start(task, epochs * len(data.train))
        progress.advance(task, state.epoch * len(data.train), epoch=f"{state.epoch}/{epochs}")

    show_start()
    cut = False
    while True:
        if brake is not None and state.history:
            wanted = brake.before_epoch(state.history[-1], epochs)
            if wanted <= state.epoch < epochs:
                cut = True
                break
            if wanted != epochs and wanted > state.epoch:
                epochs = state.epochs = wanted
                bend = schedule.bend(state.step, state.step + (epochs - state.epoch) * steps_per_epoch)
                state.bends = [*state.bends, bend]
                show_start()
        if state.epoch >= epochs or _out_of_patience(state, spec, epochs):
            break
        started, seen = time.perf_counter(), 0

        def on_batch(
            pictures: int, shown: str = f"{state.epoch + 1}/{epochs}", started: float = started
        ) -> None:
            nonlocal seen
            progress.advance(task, pictures, epoch=shown)
            seen += pictures
            took = time.perf_counter() - started
            if brake is not None and brake.in_epoch(seen, took, has_best=state.leader.score is not None):
                raise OutOfTime

        try:
            with spending("training"):
                train_loss, step = train_one_epoch(
                    fabric,
                    model,
                    optimiser,
                    schedule,
                    average,
                    waiting_for(batches.epoch(state.epoch)),
                    spec,
                    precision,
                    epoch=state.epoch,
                    first_step=state.step,
                    on_batch=on_batch,
                    micro_batch=passes.micro_batch,
                )
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise MemoryShort(state.epoch + 1, passes.smaller(net)) from error
            raise
        except OutOfTime:
            cut = True
            if state.leader.score is not None:
                break
            train_loss, step = float("nan"), state.step
        trained = time.perf_counter()
        rate = optimiser.param_groups[-1]["lr"]
        judged = net if average is None else average.module
        if mended := resynchronise(judged, net):
            where = f"{spec.backbone}, fold {spec.fold}, epoch {state.epoch + 1}"
            progress.message(
                f"{where}: {len(mended)} tensors of the averaged weights were not finite and begin anew from the weights",
                "warn",
            )
        if spec.batch_norm == "re_estimated":
            with spending("training"), fabric.autocast():
                re_estimate_batch_norm(judged, inputs_of(waiting_for(batches.epoch(state.epoch)), spec))
        found = judge_epoch(fabric, judged, data, spec, workers)
        state.epoch, state.step = state.epoch + 1, step
        state.leader = state.leader.after(found.chosen, state.epoch, higher_is_better=higher)
        facts = None
        if better := state.leader.epoch == state.epoch:
            assert state.leader.score is not None, "an epoch leads by its score"
            facts = best_facts(spec, state.epoch, state.leader.score)
        state.leaders = found.chooses.leaders(state.leaders, data.part_count, state.epoch)
        state.history = [
            *state.history,
            {
                "epoch": state.epoch,
                "train_loss": train_loss,
                "learning_rate": rate,
                "val_loss": found.loss,
                "val_score": found.clean,
                "val_score_corrupted": found.corrupted,
                "best": better,
                "seconds": round(time.perf_counter() - started, 2),
                "images_per_second": round(seen / (trained - started), 1),
                **({"cut": seen} if cut else {}),
            },
        ]
        state.optimiser = optimiser.state_dict()
        state.scaler = {} if precision.scaler is None else precision.scaler.state_dict()
        keeper.keep(state, net, averaged_net, best=facts, whole=not cut)
        shown = {"loss": round(train_loss, 3), METRICS[spec.metric].title: round(found.clean, 4)}
        if found.corrupted is not None:
            shown["corrupted"] = round(found.corrupted, 4)
        if cut:
            break  # no whole epoch: its loss would be that of some pictures
        progress.advance(task, 0, **shown)

    if state.leader.score is None:
        raise UserError(
            f"the validation pictures of fold {spec.fold} cannot be scored by {METRICS[spec.metric].title}: "
            "no output has pictures of both sides",
            where=spec.backbone,
            fix="Use fewer folds (--set folds.count=...) or another metric (--set data.metric=...).",
        )
    keeper.wait()
    # As stored: what is predicted with from here on.
    checkpoint.load_best(keeper.kept, net, fit_digest=spec.digest)
    net.eval()
    return FitResult(
        model=net,
        best_score=state.leader.score,
        best_epoch=state.leader.epoch,
        # What is not parted, or what the other parts cannot score, is predicted by the best epoch.
        part_epochs=tuple(leader.epoch or state.leader.epoch for leader in state.leaders),
        epochs=state.epoch,
        planned_epochs=epochs,
        stopped_early=state.epoch < epochs and not cut,
        out_of_time=cut,
        history=state.history,
        seconds=round(sum(line["seconds"] for line in state.history), 1),
        images_per_second=float(np.median([line["images_per_second"] for line in state.history])),
        memory_gb=peak_memory_gb(spec.device),
        parameters=sum(parameter.numel() for parameter in net.parameters()),
        passes=passes,
        ease=ease,
    )


def best_facts(spec: FitSpec, epoch: int, score: float) -> dict[str, Any]:
    """What is kept beside a fit's best weights: whose they are, and what they have to be used with."""
    return {
        "fit": spec.digest,
        "epoch": epoch,
        "score": score,
        "classes": spec.classes_hash,
        "head": spec.head,
        "mean": spec.weights.mean,
        "std": spec.weights.std,
        "model_args": spec.weights.model_args,
        "input_size": spec.input_size,
    }


def start_model(spec: FitSpec, *, grad_checkpointing: bool) -> nn.Module:
    """The model as the fit begins; from here on torch draws by the spec's seed.

    Args:
        grad_checkpointing: which may have had to be changed since the spec was made.

    Raises:
        UserError: as `build_model`.
    """
    torch.manual_seed(spec.seed * 1000 + spec.fold)
    return build_model(
        spec.timm_name,
        spec.weights,
        classes=spec.head.outputs,
        input_size=spec.input_size,
        in_channels=spec.in_channels,
        drop_rate=spec.drop_rate,
        drop_path=spec.drop_path,
        grad_checkpointing=grad_checkpointing,
        cosine_scale=spec.loss.cosine_scale,
        keep_classifier=spec.epochs == 0,
    )


def _out_of_patience(state: checkpoint.TrainState, spec: FitSpec, epochs: int) -> bool:
    # While the rate is high the score wanders, and most of what a cosine gains comes when it falls.
    if state.epoch < EARLIEST_STOP * epochs:
        return False
    return 0 < spec.patience <= state.epoch - state.leader.epoch


def peak_memory_gb(device: str) -> float:
    """GiB: on a GPU the most that the allocator held, with CUDA's context; on a CPU the process as it is now."""
    if device == "cuda":
        return round(torch.cuda.max_memory_reserved() / GIB + CONTEXT_GIB, 2)
    import psutil

    return round(psutil.Process().memory_info().rss / GIB, 2)
