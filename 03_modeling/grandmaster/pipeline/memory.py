"""Micro-batch, accumulation and gradient checkpointing that fit the memory, and what they will take of it."""

from __future__ import annotations

import msgspec

from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.models.activations import CONTEXT_GIB, GIB, count_activations
from grandmaster.models.builder import Cost, count_cost
from grandmaster.models.registry import Backbone, ModelArgs
from grandmaster.pipeline.hardware import Hardware
from grandmaster.pipeline.memory_probe import probe_peaks

# Of a GPU's memory: 15.0 of 16 GB. The rest is for fragmentation, and for what else runs on the card.
GPU_SHARE = 15 / 16
CPU_SHARE = 0.6
CPU_PROCESS_GIB = 1.0  # Python, torch and friends
# Pictures a pass of a large backbone (30 GFLOP a picture or more): more of them do not train faster.
LARGE_MICRO_BATCH, LARGE_GFLOP = 8, 30
# Speed of a pass, for choosing between those that fit. A pass costs about half a picture besides its own (launches,
# and a GPU less full), which is assumed, not measured; recomputing costs one forward pass of three (timm's table: 25 %).
PASS_OVERHEAD, CHECKPOINTING_SPEED = 0.5, 0.75


class MemoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How the pictures of a step pass through the model.

    Attributes:
        memory_gb: peak, GiB, of the card with CUDA's context, or of the process.
        reasons: plan's field -> why.
    """

    micro_batch: int
    accumulation: int
    grad_checkpointing: bool
    memory_gb: float
    reasons: dict[str, str]


def memory_room(hardware: Hardware) -> float:
    """GiB that a fit may plan for."""
    return hardware.memory_gb * CPU_SHARE if hardware.device == "cpu" else hardware.vram_gb * GPU_SHARE


def fit_memory(
    timm_name: str,
    cost: Cost,
    hardware: Hardware,
    config: Config,
    *,
    input_size: int,
    effective: int,
    batch_norm_learns: bool,
    model_args: ModelArgs = (),
) -> MemoryPlan:
    """The fastest way to pass `effective` pictures a step that fits; what the person set is obeyed.

    Tried are all divisors of `effective`, so that it is kept exactly, with and without gradient checkpointing. Where
    BatchNorm takes its statistics from the pictures of a pass, many pictures come before speed.

    Optimisers of 8 bits a value are not offered: they cost accuracy, and no installed library has one.
    """
    settings, room = config.training, memory_room(hardware)
    average = settings.ema_decay != 0
    most = min(effective, LARGE_MICRO_BATCH) if cost.training_gflop >= LARGE_GFLOP else effective
    sizes = [size for size in range(most, 0, -1) if effective % size == 0]
    if settings.micro_batch is not None:
        sizes = [settings.micro_batch]
    recomputing = [False, True] if settings.grad_checkpointing is None else [settings.grad_checkpointing]
    ways = [(size, again) for size in sizes for again in recomputing]
    steady = cost.batch_norm and batch_norm_learns
    if not steady:
        ways.sort(key=lambda way: -relative_speed(*way))
    if state_gib(cost, hardware, average=average) > room:
        ways = ways[-1:]  # nothing fits, however small: no need to count them all

    tried: list[tuple[float, int, bool, str]] = []
    for size, again in ways:
        memory = counted_peak(
            timm_name, cost, hardware, input_size, size, again, average=average, model_args=model_args
        )
        how = "counted: weights, gradients, optimiser, average and activations"
        if memory <= room and hardware.device == "cuda" and not hardware.absent:
            probed = probe_peaks(timm_name, input_size, size, again, hardware.precision, model_args)
            if probed is not None:
                how = f"probed by real steps; counted {memory:.1f} GB"
                memory = probed + CONTEXT_GIB + (cost.parameters * 4 / GIB if average else 0.0)
        tried.append((memory, size, again, how))
        if memory <= room:
            break
    fits = tried[-1][0] <= room
    memory, size, again, how = tried[-1] if fits else min(tried)
    accumulation = max(1, round(effective / size))
    refused = [
        f"{pictures} a pass {'with' if checkpointed else 'without'} checkpointing {needed:.1f} GB"
        for needed, pictures, checkpointed, _ in tried[: -1 if fits else None]
    ]
    why = f"{size} x {accumulation} pictures a step"
    if settings.micro_batch is not None:
        why += ", as set" if size * accumulation == effective else f", as set, where {effective} were wanted"
    elif not fits:
        why += f": the least memory of all ways, and still more than {room:.1f} GB"
    elif refused:
        choice = "the most pictures a pass, for BatchNorm," if steady else "the fastest way"
        why += f": {choice} that fits {room:.1f} GB; not {', '.join(refused)}"
    else:
        why += f": fits {room:.1f} GB"
    return MemoryPlan(
        micro_batch=size,
        accumulation=accumulation,
        grad_checkpointing=again,
        memory_gb=memory,
        reasons={"micro_batch": why, "memory_gb": how},
    )


def relative_speed(micro_batch: int, grad_checkpointing: bool) -> float:
    """Of a large backbone on a GPU, 1: endless passes without recomputing. A rule of thumb to choose by."""
    return micro_batch / (micro_batch + PASS_OVERHEAD) * (CHECKPOINTING_SPEED if grad_checkpointing else 1.0)


def counted_peak(
    timm_name: str,
    cost: Cost,
    hardware: Hardware,
    input_size: int,
    micro_batch: int,
    grad_checkpointing: bool,
    *,
    average: bool,
    model_args: ModelArgs = (),
) -> float:
    """GiB at the fullest moment of training, counted.

    That is in the backward pass, or in the optimiser's step. Weights and all that belongs to them are float32.
    """
    mixed = hardware.precision != "fp32"
    if hardware.device == "cpu" and not mixed and not grad_checkpointing:
        activations = micro_batch * cost.activation_gib
    else:
        activations = count_activations(
            timm_name,
            input_size,
            micro_batch=micro_batch,
            grad_checkpointing=grad_checkpointing,
            mixed=mixed,
            model_args=model_args,
        ).peak_gib
    # The step needs a copy of one moment, when the activations are gone.
    return state_gib(cost, hardware, average=average) + max(activations, cost.parameters * 4 / GIB)


def least_memory_gb(backbone: Backbone, *, size: int | None = None) -> float:
    """GiB of the smallest card on which a backbone can be trained at all, counted: one picture a pass, in half precision.

    Args:
        size: side, px; None: the backbone's own.
    """
    side = size or backbone.input_size
    cost = count_cost(backbone.timm_name, side, 1000, model_args=backbone.model_args)
    peaks = []
    for again in (False, True):
        try:
            peaks.append(
                count_activations(
                    backbone.timm_name,
                    side,
                    micro_batch=2 if cost.batch_norm else 1,
                    grad_checkpointing=again,
                    mixed=True,
                    model_args=backbone.model_args,
                ).peak_gib
            )
        except UserError:  # it cannot recompute activations
            continue
    return CONTEXT_GIB + cost.parameters * 16 / GIB + max(min(peaks), cost.parameters * 4 / GIB)


def state_gib(cost: Cost, hardware: Hardware, *, average: bool) -> float:
    """GiB that are there all the time: weights, gradients, two AdamW moments, their average; and the process's own."""
    own = CPU_PROCESS_GIB if hardware.device == "cpu" else CONTEXT_GIB
    return own + cost.parameters * (20 if average else 16) / GIB


def compare_peak(planned: float, measured: float) -> str:
    """Both, GiB, in a few words."""
    return f"memory peaked at {measured:.1f} GB, planned {planned:.1f} GB ({measured / planned - 1:+.0%})"
