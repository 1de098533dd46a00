"""How a model's training steps are carried out fastest on this machine: measured by doing a few, and remembered."""

from __future__ import annotations

import gc
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import filelock
import msgspec
import timm
import torch

from grandmaster.errors import UserError
from grandmaster.models.builder import count_cost
from grandmaster.models.memory_format import MemoryFormat
from grandmaster.models.passes import free_memory, is_out_of_memory
from grandmaster.models.registry import Backbone, frozen_args
from grandmaster.models.weights import Weights
from grandmaster.pipeline.hardware import Hardware, cpu_name, measure_gflops
from grandmaster.storage import write_atomic
from grandmaster.training.divergence import Diverged
from grandmaster.training.timed_step import StepCase, StepSettings, TimedSteps

# Share of a device's matrix-product peak that training of a large backbone reaches (timm's RTX 3090 table: 0.42).
TRAINING_EFFICIENCY = 0.42
# What that makes of an RTX 3090, which trains ConvNeXt-L at 64 pictures/s (same table): for a GPU that is not here.
ABSENT_GPU_GFLOPS = 92_000.0
# A default is left only for what is so many times faster in every round: smaller differences are noise, and would make
# runs differ that should be the same. A CPU is shared with others, so its times wander more.
MARGINS = {"cuda": 1.05, "cpu": 1.2}
ROUNDS = 4
# A fit that takes less than this part of what was planned shows that its speed was measured on a busy machine.
BUSY_WHEN_PROBED = 0.8
# Compiling a large backbone takes minutes, only to learn whether it pays: not for shorter fits.
COMPILE_FROM_SECONDS = 900.0
_LOCK_SECONDS = 10.0  # to wait for another run that writes what it measured


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was measured, seconds.

    Attributes:
        formats: of one step a round in the device's default memory format.
        other_formats: the same in the other one, in the same rounds.
        optimiser: of the optimiser alone, fused and not, the shortest of some.
        compiled: of a step in the chosen way, not compiled and compiled, and what the first compiled step took longer;
            None: not tried.
        compile_error: why it could not be tried.
    """

    formats: tuple[float, ...]
    other_formats: tuple[float, ...]
    optimiser: tuple[float, float]
    compiled: tuple[float, float, float] | None = None
    compile_error: str = ""


class StepChoice(msgspec.Struct, frozen=True, kw_only=True):
    """How steps are carried out.

    Attributes:
        reasons: field of the settings -> why.
        images_per_second: training speed with these settings; None: not measured.
    """

    settings: StepSettings
    reasons: dict[str, str]
    images_per_second: float | None = None


class ProbeCache:
    """Probes by what they depend on, in one JSON file that all runs of a results folder share.

    Args:
        folder: where the file lies; None: remembered by this object only.
        read_only: write nothing there.
    """

    FILE_NAME = "step_speed.json"

    def __init__(self, folder: Path | None = None, *, read_only: bool = False) -> None:
        self.path = None if folder is None else folder / self.FILE_NAME
        self._read_only = read_only
        self._known = self._stored()

    def get(self, key: str) -> Probe | None:
        """What was measured before."""
        return self._known.get(key)

    def items(self) -> list[tuple[str, Probe]]:
        """All that was measured."""
        return list(self._known.items())

    def put(self, key: str, probe: Probe) -> None:
        """Remember; a folder that cannot be written costs the next run its measurements again, nothing else."""
        self._known[key] = probe
        self._change(lambda stored: stored | self._known)

    def forget(self, timm_name: str) -> None:
        """Measure this model anew next time."""

        def others(probes: dict[str, Probe]) -> dict[str, Probe]:
            return {key: probe for key, probe in probes.items() if f"; {timm_name}, " not in key}

        self._known = others(self._stored())
        self._change(others)

    def _change(self, change: Callable[[dict[str, Probe]], dict[str, Probe]]) -> None:
        """Write the file anew, in one step with reading it: another run may be about to, too."""
        if self.path is None or self._read_only:
            return
        with suppress(UserError, OSError, filelock.Timeout):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                content = change(self._stored())
                write_atomic(self.path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")

    def _stored(self) -> dict[str, Probe]:
        if self.path is None:
            return {}
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Probe])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}  # absent, damaged, or of another version: measured anew and written over


# (case, default settings, settings to compare them with) -> seconds of a step each
FormatTimer = Callable[[StepCase, StepSettings, StepSettings], Probe]
# (case, settings) -> seconds of a step not compiled and compiled, and of compiling
CompileTimer = Callable[[StepCase, StepSettings], tuple[float, float, float]]


def choose_step(
    case: StepCase,
    hardware: Hardware,
    *,
    small: bool,
    steps: int,
    cache: ProbeCache,
    time_formats: FormatTimer | None = None,
    time_compiled: CompileTimer | None = None,
) -> StepChoice:
    """Memory format, fused optimiser and compilation for one model.

    Where a step takes seconds (a large backbone on a CPU) or the planned card is not in this machine, the device's
    defaults are taken and that is said.

    Args:
        small: whether the backbone is; a small one is measured on a CPU too.
        steps: optimiser steps of one fit, which compiling has to pay for itself in.
        time_formats, time_compiled: instead of real steps.
    """
    default, other = _candidates(case.device)
    if case.device == "cuda" and not torch.cuda.is_available() and time_formats is None:
        return _by_rule(default, "not measured: the GPU that is planned for is not here")
    if case.device == "cpu" and not small:
        # ResNeXt101-32x32d trains 1.12 and predicts 1.35 times as fast this way (benchmarks/LOG.md).
        args = frozen_args(case.weights.model_args)
        grouped = count_cost(case.timm_name, case.size, case.classes, case.channels, args).grouped
        why = "rule for a CPU, not measured: one step of a large backbone takes seconds"
        return _by_rule(other, f"{why}; grouped convolutions") if grouped else _by_rule(default, why)
    key = _key(case, hardware)
    probe = cache.get(key)
    if probe is None:
        try:
            probe = (time_formats or _time_formats)(case, default, other)
        except Diverged:  # invented pictures prove nothing about real ones
            return _by_rule(default, "not measured: the loss of the probe was not finite")
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if probe is None:
            free_memory()
            return _by_rule(default, "not measured: memory ran out in the probe")
        cache.put(key, probe)
    margin = MARGINS[case.device]
    settings, reasons, seconds = _read(probe, default, other, margin)
    why_not = _why_not_compile(case, seconds * steps)
    if not why_not and probe.compiled is None and not probe.compile_error:
        try:
            probe = msgspec.structs.replace(probe, compiled=(time_compiled or _time_compiled)(case, settings))
        except (RuntimeError, OSError, ImportError, subprocess.SubprocessError) as error:
            text = str(error).strip() or type(error).__name__
            probe = msgspec.structs.replace(probe, compile_error=text.splitlines()[0][:200])
        cache.put(key, probe)
    if not why_not and probe.compile_error:
        why_not = f"it failed: {probe.compile_error}"
    if not why_not and probe.compiled is not None:
        plain, fast, first = probe.compiled
        saved = (plain - fast) * steps - 2 * first  # an epoch's last, smaller batch is compiled too
        text = f"{fast:.3g} s a step against {plain:.3g} s, {first:.0f} s to compile, twice, {steps} steps"
        if saved > 0 and plain >= margin * fast:
            settings = msgspec.structs.replace(settings, compile=True)
            reasons["compile"], seconds = text, fast
        else:
            why_not = f"it does not pay: {text}"
    if why_not:
        reasons["compile"] = f"off: {why_not}"
    return StepChoice(settings=settings, reasons=reasons, images_per_second=case.pictures / seconds)


def images_per_second(
    backbone: Backbone,
    weights: Weights,
    hardware: Hardware,
    *,
    size: int,
    classes: int,
    channels: int = 3,
    batch: int,
    small: bool,
    cache: ProbeCache,
) -> float:
    """Training speed: of a small backbone as measured; else from counted operations and a measured peak."""
    if small and not hardware.absent:
        case = StepCase(
            timm_name=backbone.timm_name,
            weights=weights,
            size=size,
            classes=classes,
            channels=channels,
            micro_batch=batch,
            accumulation=1,
            grad_checkpointing=False,
            device=hardware.device,
            precision=hardware.precision,
        )
        measured = choose_step(case, hardware, small=True, steps=0, cache=cache).images_per_second
        if measured is not None:
            return measured
    cost = count_cost(backbone.timm_name, size, classes, channels, frozen_args(weights.model_args))
    peak = ABSENT_GPU_GFLOPS if hardware.absent else measure_gflops(hardware.device, hardware.precision)
    return peak * TRAINING_EFFICIENCY / cost.training_gflop


def _candidates(device: str) -> tuple[StepSettings, StepSettings]:
    """The device's default, and the same with the other memory format.

    A CPU's convolutions want channels last. A GPU depends on model and card: timm's own default, which is never
    several times slower as channels_last is for grouped convolutions on some cards.
    """
    formats: tuple[MemoryFormat, MemoryFormat] = ("channels_last", "contiguous")
    if device == "cuda":
        formats = ("contiguous", "channels_last")
    first, second = (StepSettings(memory_format=memory_format, fused=True) for memory_format in formats)
    return first, second


def _by_rule(default: StepSettings, why: str) -> StepChoice:
    return StepChoice(settings=default, reasons=dict.fromkeys(("memory_format", "fused", "compile"), why))


def _read(
    probe: Probe, default: StepSettings, other: StepSettings, margin: float
) -> tuple[StepSettings, dict[str, str], float]:
    """Settings, reasons and seconds of a step that follow from what was measured."""
    first, second = statistics.median(probe.formats), statistics.median(probe.other_formats)
    text = f"{default.memory_format} {first:.3g} s a step, {other.memory_format} {second:.3g} s"
    settings, seconds = default, first
    if all(a >= margin * b for a, b in zip(probe.formats, probe.other_formats, strict=True)):
        settings, seconds = other, second
    elif second < first:
        text += f"; not {margin} times as fast in every round, for which the default would be left"
    reasons = {"memory_format": text}
    fused, loop = probe.optimiser
    reasons["fused"] = f"the optimiser's part is {fused:.3g} s fused, {loop:.3g} s not"
    unfused_seconds = seconds - fused + loop
    if seconds >= margin * unfused_seconds:
        settings, seconds = msgspec.structs.replace(settings, fused=False), unfused_seconds
    return settings, reasons, seconds


def _why_not_compile(case: StepCase, fit_seconds: float) -> str:
    """Empty where it is worth measuring."""
    if case.device != "cuda":
        return "on a CPU"
    if sys.platform == "win32" or importlib.util.find_spec("triton") is None:
        return "Triton is not at hand"
    if fit_seconds < COMPILE_FROM_SECONDS:
        return f"a fit of about {fit_seconds / 60:.2g} minutes is too short to pay for it"
    return ""


def _key(case: StepCase, hardware: Hardware) -> str:
    device = (
        hardware.gpu_name if case.device == "cuda" else f"{cpu_name()}, {torch.get_num_threads()} threads"
    )
    recomputed = ", recomputing" if case.grad_checkpointing else ""
    args = f"; {case.weights.model_args}" if case.weights.model_args else ""
    return (
        f"{device}; torch {torch.__version__}; timm {timm.__version__}; {case.timm_name}, {case.classes} outputs; "
        f"{case.size} px x {case.channels}; {case.micro_batch} x {case.accumulation}; {case.precision}{recomputed}{args}"
    )


def _time_formats(case: StepCase, default: StepSettings, other: StepSettings) -> Probe:
    if case.device == "cuda":
        # One after the other: two large models may not fit, and a GPU's times hardly wander.
        first, second = (_times_alone(case, settings) for settings in (default, other))
        steps = TimedSteps(case, default)
    else:
        runners = [TimedSteps(case, settings) for settings in (default, other)]
        for runner in runners:
            runner.seconds()  # allocates, and chooses kernels
        rounds = [[runner.seconds() for runner in runners] for _ in range(ROUNDS)]
        first, second = zip(*rounds, strict=True)
        steps = runners[0]
    fused, loop = (min(steps.optimiser_seconds(fused=choice, repeats=ROUNDS)) for choice in (True, False))
    return Probe(formats=first, other_formats=second, optimiser=(fused, loop))


def _time_compiled(case: StepCase, settings: StepSettings) -> tuple[float, float, float]:
    plain = statistics.median(_times_alone(case, settings))
    steps = TimedSteps(case, msgspec.structs.replace(settings, compile=True))
    first = steps.seconds()
    steps.seconds()
    fast = statistics.median(steps.seconds() for _ in range(ROUNDS))
    return plain, fast, first - fast


def _times_alone(case: StepCase, settings: StepSettings) -> tuple[float, ...]:
    """Seconds of some steps of a model that is gone afterwards."""
    steps = TimedSteps(case, settings)
    for _ in range(2):
        steps.seconds()
    found = tuple(steps.seconds() for _ in range(ROUNDS))
    del steps
    gc.collect()
    if case.device == "cuda":
        torch.cuda.empty_cache()
    return found
