"""Facts about the machine a run is on, and a few things tried on it."""

from __future__ import annotations

import importlib.metadata
import math
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grandmaster.training.precision import PrecisionName

GB = 1024**3


def installed_version(name: str) -> str | None:
    """Version of an installed distribution; None: it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def usable_cores() -> int:
    """Cores this process may run on, no more than the container's CPU quota (rounded up)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup("cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, -(-int(quota[0]) // int(quota[1])))
    return max(1, cores)


def memory_bytes() -> int:
    """The machine's memory, no more than the container's limit."""
    import psutil

    limit = _cgroup("memory.max")
    total = int(psutil.virtual_memory().total)
    return min(total, int(limit)) if limit.isdigit() else total


def free_memory_bytes() -> int:
    """What is left of the machine's memory, no more than what the container's limit leaves."""
    import psutil

    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    free = int(psutil.virtual_memory().available)
    if not (limit.isdigit() and used.isdigit()):
        return free
    # The file cache counts as used there, though it makes room when it has to.
    cached = sum(
        int(line.split()[1])
        for line in _cgroup("memory.stat").splitlines()
        if line.startswith("inactive_file ")
    )
    return min(free, int(limit) - int(used) + cached)


def _cgroup(name: str) -> str:
    try:
        return Path("/sys/fs/cgroup", name).read_text().strip()
    except OSError:  # not Linux, or an older control group: no limit known
        return ""


def free_gb_of(folder: Path) -> float | None:
    """Free space, GB, on the disk of a folder; None where it cannot be told."""
    try:
        return shutil.disk_usage(folder).free / GB
    except OSError:
        return None


def nearest_folder(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next((path for path in (folder, *folder.parents) if path.is_dir()), folder)


def has_driver() -> bool:
    """An NVIDIA driver is there, whether or not torch can use it."""
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia").exists()


def train_step(device: str, precision: PrecisionName) -> float:
    """One optimiser step of a small convolutional net, as a fit takes it; seconds it took.

    Raises:
        RuntimeError: the device cannot run it.
        ValueError: it ran, but the loss is not finite or no weight moved.
    """
    import torch
    from torch import nn

    from grandmaster.training.precision import Precision

    path = Precision(device, precision)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )
    model, optimiser = path.fabric.setup(net, torch.optim.AdamW(net.parameters(), lr=1e-2))
    where = path.fabric.device
    pictures, labels = torch.rand(8, 3, 64, 64, device=where), torch.arange(8, device=where) % 4
    before = [weight.detach().clone() for weight in net.parameters()]
    # The first step warms the device up; with float16 the scaler may rightly skip some until its scale fits.
    for _ in range(10):
        began = time.perf_counter()
        loss = nn.functional.cross_entropy(model(pictures).float(), labels)
        optimiser.zero_grad(set_to_none=True)
        path.fabric.backward(loss)
        stepped = path.step(optimiser)
        value = float(loss.detach())  # also waits for the device
        seconds = time.perf_counter() - began
        if not math.isfinite(value):
            raise ValueError(f"the loss in {precision} is {value}")
        if stepped and any(
            not torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True)
        ):
            return seconds
    raise ValueError(f"ten training steps in {precision} moved no weight")
