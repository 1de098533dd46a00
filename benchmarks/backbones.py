"""Every large backbone: parameters, speed, memory, and its training step against timm's own.

    python benchmarks/backbones.py [--backbones vit_large,...] [--size PX] [--rounds N] [--no_csv]

Each backbone has a process to itself. Our step is that of a fit (`train_one_epoch`) in the way that the plan chooses for
this machine; timm's is what its train.py does by default: AdamW of `create_optimizer_v2`, label smoothing,
`NativeScaler` or autocast, `clip_grad_norm_`, `ModelEmaV3`, contiguous memory format (its loss is read once a step, not
after every micro-batch). Both start from the same bytes and share weights, average and batches; they take turns in one
process (ours first, then timm's first), so that a machine's moods meet both. The ratio is timm's seconds / ours: above 1
ours is faster. Its median over rounds is given with the lowest and the highest; on a CPU also that of the processor
time, which others at work on the machine disturb less. Weights are random: speed does not depend on them.

Memory: our training alone, before timm's optimiser exists, under the cap: on a GPU that of torch's allocator and its
peak; on a CPU Linux's limit of a process's data (RLIMIT_DATA), and the peak of what it occupied (RSS, Python and
libraries included). What does not fit recomputes activations (both sides then do).

On a CPU the pictures are small so that it ends within minutes; the optimiser then has a larger share of a step than at
384 px with 64 pictures, which favours whoever has the faster optimiser.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import timm
import torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import NativeScaler, dispatch_clip_grad

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

from grandmaster.images.normalise import to_input
from grandmaster.machine_config import HardwareConfig
from grandmaster.models.memory_format import MemoryFormat, to_memory_format
from grandmaster.models.registry import LARGE_SEVEN, find_backbone
from grandmaster.models.weights import Weights
from grandmaster.pipeline.hardware import Hardware, cpu_name, read_hardware
from grandmaster.pipeline.speed import ProbeCache, StepChoice, choose_step
from grandmaster.storage import write_csv
from grandmaster.training.timed_step import StepCase, TimedSteps, build_net, synthetic_batch, wait_for

RESULTS = Path(__file__).parent / "results"
CLASSES = 17
GIB = 2**30
# Optimiser steps of the fit that compiling would have to pay for itself in: 1,821 pictures, 4 of 5 folds, 15 epochs.
FIT_STEPS = 345
FORWARDS = 3  # a turn
# (size, micro-batch, accumulation, rounds, steps a turn). 96 px is the smallest that all seven take.
SETTINGS = {"cuda": (384, 8, 8, 5, 2), "cpu": (96, 4, 2, 3, 1)}


class TimmSteps:
    """timm's own training step of the same network, through its public functions."""

    def __init__(self, ours: TimedSteps) -> None:
        self.case, self.net, self.average = ours.case, ours.net, ours.average
        self.optimiser = create_optimizer_v2(self.net, opt="adamw", lr=1e-6, weight_decay=0.05)
        self.loss = LabelSmoothingCrossEntropy(smoothing=0.05)
        self.scaler = NativeScaler(device=self.case.device) if self.case.precision == "fp16" else None
        self.batches = [synthetic_batch(self.case, seed) for seed in range(self.case.accumulation)]
        self.steps = 0

    def autocast(self) -> Any:
        """As train.py's --amp with --amp-dtype."""
        if self.case.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.case.precision == "bf16" else torch.float16
        return torch.autocast(self.case.device, dtype=dtype)

    def seconds(self) -> float:
        """One optimiser step."""
        wait_for(self.case.device)
        started = time.perf_counter()
        self.net.train()
        total = 0.0
        for number, batch in enumerate(self.batches, start=1):
            inputs = to_input(
                batch.pictures, self.case.weights.mean, self.case.weights.std, device=self.case.device
            )
            targets = batch.targets.to(self.case.device, non_blocking=True)
            with self.autocast():
                loss = self.loss(self.net(inputs), targets)
            loss = loss / len(self.batches)
            whole = number == len(self.batches)
            if self.scaler is not None:
                self.scaler(
                    loss, self.optimiser, clip_grad=1.0, parameters=self.net.parameters(), need_update=whole
                )
            else:
                loss.backward()
                if whole:
                    dispatch_clip_grad(self.net.parameters(), value=1.0)
                    self.optimiser.step()
        total += loss.item()
        self.steps += 1
        self.optimiser.zero_grad()
        self.average.update(self.net, step=self.steps)
        wait_for(self.case.device)
        return time.perf_counter() - started


def inference_seconds(ours: TimedSteps, memory_format: MemoryFormat, autocast: Any) -> float:
    """A forward pass of one micro-batch."""
    case = ours.case
    batch = synthetic_batch(case, 0)
    ours.net.eval()
    wait_for(case.device)
    started = time.perf_counter()
    with torch.inference_mode(), autocast:
        inputs = to_input(
            batch.pictures,
            case.weights.mean,
            case.weights.std,
            device=case.device,
            channels_last=memory_format == "channels_last",
        )
        ours.net(inputs)
    wait_for(case.device)
    return time.perf_counter() - started


@contextmanager
def memory_cap(device: str, gib: float) -> Iterator[None]:
    """Let the process have no more."""
    if device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gib * GIB / total))
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        return
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(gib * GIB), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def peak_gib(device: str) -> float:
    """Of this process so far."""
    if device == "cuda":
        return torch.cuda.max_memory_reserved() / GIB
    try:
        import resource
    except ImportError:
        import psutil

        return psutil.Process().memory_info().peak_wset / GIB  # type: ignore[attr-defined]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def fitting_steps(case: StepCase, hardware: Hardware, cap: float) -> tuple[TimedSteps, StepChoice, float]:
    """Our training under the cap, recomputing activations only where it does not fit; and its peak, GiB."""
    for recompute in (False, True):
        case = msgspec.structs.replace(case, grad_checkpointing=recompute)
        try:
            with memory_cap(case.device, cap):
                choice = choose_step(
                    case, hardware, small=case.device == "cuda", steps=FIT_STEPS, cache=ProbeCache()
                )
                if case.device == "cuda":
                    torch.cuda.empty_cache()
                    torch.cuda.reset_peak_memory_stats()
                ours = TimedSteps(case, choice.settings, net=build_net(case))
                for _ in range(2):
                    ours.seconds()
                return ours, choice, peak_gib(case.device)
        except RuntimeError as error:  # torch's word for memory that cannot be had, on either device
            if recompute or "memory" not in str(error).lower():
                raise
        gc.collect()
        with suppress(AssertionError, RuntimeError):
            torch.cuda.empty_cache()
    raise AssertionError("unreachable")


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One row."""
    hardware = read_hardware(HardwareConfig(precision=options.precision))
    torch.set_num_threads(options.threads or hardware.cores)
    size, micro, accumulation, rounds, turns = chosen_settings(options, hardware.device)
    backbone = find_backbone(name)
    case = StepCase(
        timm_name=backbone.timm_name,
        weights=Weights(source="none", mean=(0.5,) * 3, std=(0.5,) * 3),
        size=size,
        classes=CLASSES,
        micro_batch=micro,
        accumulation=accumulation,
        grad_checkpointing=False,
        device=hardware.device,
        precision=hardware.precision,
    )
    ours, choice, peak = fitting_steps(case, hardware, options.cap)
    case = ours.case
    theirs = TimmSteps(ours)

    def in_format(memory_format: MemoryFormat) -> None:
        for net in (ours.net, ours.average.module):
            to_memory_format(net, memory_format)

    def turn(steps: TimedSteps | TimmSteps, memory_format: MemoryFormat) -> tuple[float, float, float]:
        """Seconds of a step, of processor time in it, and of a forward pass; medians."""
        in_format(memory_format)
        busy, train = [], []
        for _ in range(turns):
            before = time.process_time()
            train.append(steps.seconds())
            busy.append(time.process_time() - before)
        forward = [inference_seconds(ours, memory_format, steps.autocast()) for _ in range(FORWARDS)]
        return statistics.median(train), statistics.median(busy), statistics.median(forward)

    def our_turn() -> tuple[float, float, float]:
        return turn(ours, choice.settings.memory_format)

    def their_turn() -> tuple[float, float, float]:
        return turn(theirs, "contiguous")

    times = []
    for number in range(rounds + 1):
        if number % 2:
            timm_times, our_times = their_turn(), our_turn()
        else:
            our_times, timm_times = our_turn(), their_turn()
        if number:  # the first round allocates and chooses kernels
            times.append((*our_times, *timm_times))
    our_train, our_busy, our_forward, timm_train, timm_busy, timm_forward = (
        statistics.median(column) for column in zip(*times, strict=True)
    )
    ratios = [row[3] / row[0] for row in times]
    return {
        "device": device_name(hardware),
        "backbone": name,
        "million_parameters": round(sum(p.numel() for p in ours.net.parameters()) / 1e6, 1),
        "px": size,
        "micro_batch": micro,
        "accumulation": accumulation,
        "precision": case.precision,
        "recomputing": case.grad_checkpointing,
        "memory_format": choice.settings.memory_format,
        "fused": choice.settings.fused,
        "compile": choice.settings.compile,
        "train_images_per_second": round(case.pictures / our_train, 2),
        "timm_train_images_per_second": round(case.pictures / timm_train, 2),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_low": round(min(ratios), 3),
        "ratio_high": round(max(ratios), 3),
        "processor_time_ratio": round(timm_busy / our_busy, 3) if case.device == "cpu" else None,
        "inference_images_per_second": round(micro / our_forward, 2),
        "timm_inference_images_per_second": round(micro / timm_forward, 2),
        "inference_ratio": round(statistics.median(row[5] / row[2] for row in times), 3),
        "peak_gib": round(peak, 2),
        "cap_gib": options.cap,
        "rounds": rounds,
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


def device_name(hardware: Hardware) -> str:
    """With what decides on speed."""
    if hardware.device == "cuda":
        return hardware.gpu_name
    threads = torch.get_num_threads()
    return f"{cpu_name()}, {threads} thread{'s' * (threads > 1)}"


def chosen_settings(options: argparse.Namespace, device: str) -> tuple[int, int, int, int, int]:
    """Size, micro-batch, accumulation, rounds and steps a turn: as asked, else the device's."""
    size, micro, accumulation, rounds, turns = SETTINGS[device]
    return (
        options.size or size,
        options.micro_batch or micro,
        options.accumulation or accumulation,
        options.rounds or rounds,
        turns,
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--backbones", default=",".join(LARGE_SEVEN), help="names, comma-separated; default: the seven"
    )
    parser.add_argument("--size", type=int, help="side, px (default: 384 on a GPU, 96 on a CPU)")
    parser.add_argument("--micro_batch", type=int, help="pictures a forward pass (default: 8; CPU: 4)")
    parser.add_argument("--accumulation", type=int, help="forward passes a step (default: 8; CPU: 2)")
    parser.add_argument("--rounds", type=int, help="turns of each side (default: 5; CPU: 3)")
    parser.add_argument("--threads", type=int, help="of torch on a CPU (default: all cores)")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"))
    parser.add_argument("--cap", type=float, default=16.0, help="memory, GiB (default: 16)")
    parser.add_argument("--no_csv", action="store_true", help="print only")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options)))
        return
    rows: list[dict[str, Any]] = []
    for name in options.backbones.split(","):
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--one", name], capture_output=True, text=True
        )
        if done.returncode:
            print(f"{name}: {(done.stderr.strip().splitlines() or ['died'])[-1]}", flush=True)
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        rows.append(row)
        print(
            f"{name:18} {row['million_parameters']:6.1f} M  training {row['train_images_per_second']:7.2f} images/s, "
            f"timm {row['timm_train_images_per_second']:7.2f}, ratio {row['ratio']:.2f} ({row['ratio_low']:.2f} to "
            f"{row['ratio_high']:.2f}"
            + (
                f"; of processor time {row['processor_time_ratio']:.2f}"
                if row["processor_time_ratio"]
                else ""
            )
            + f")  inference {row['inference_images_per_second']:7.2f}, ratio "
            f"{row['inference_ratio']:.2f}  {row['peak_gib']:.1f} GiB  {row['memory_format']}"
            + ", recomputing" * row["recomputing"]
            + ", compiled" * row["compile"],
            flush=True,
        )
    if not rows:
        sys.exit("nothing measured")
    mean = math.exp(statistics.fmean(math.log(row["ratio"]) for row in rows))
    print(f"geometric mean of the training ratio, {len(rows)} backbones: {mean:.3f} ({rows[0]['device']})")
    if not options.no_csv:
        name = re.sub(r"[^a-z0-9]+", "_", rows[0]["device"].lower()).strip("_")
        write_csv(RESULTS / f"backbones_{name}.csv", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
