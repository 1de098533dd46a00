"""Facts about the machine a run is on, and a few things tried on it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

GB = 1024**3
HUB_SECONDS = 5.0


def installed_version(name: str) -> str | None:
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


def _cgroup(name: str) -> str:
    try:
        return Path("/sys/fs/cgroup", name).read_text().strip()
    except OSError:  # not Linux, or an older control group: no limit known
        return ""


def free_gb_of(folder: Path) -> float | None:
    try:
        return shutil.disk_usage(folder).free / GB
    except OSError:
        return None


def nearest_folder(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.is_dir()), folder)


def has_driver() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia").exists()


def choose_precision(wanted: str, capability: tuple[int, int] | None) -> str:
    """fp32 on the CPU; on a GPU bf16 where it has it in hardware (capability 8.0), else fp16."""
    if wanted != "auto":
        return wanted
    if capability is None:
        return "fp32"
    return "bf16" if capability >= (8, 0) else "fp16"


def train_step(device: torch.device, precision: str) -> float:
    """One optimiser step of a small convolutional net; seconds it took, without the first (warm-up) one.

    Raises:
        RuntimeError: the device cannot run it.
        ValueError: it ran, but the loss is not finite or no weight moved.
    """
    import torch
    from torch import nn

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    ).to(device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
    # The default first scale (65536) may overflow the first steps, which are then skipped: rightly, but not a test.
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16", init_scale=256.0)
    pictures = torch.rand(8, 3, 64, 64, device=device)
    labels = torch.arange(8, device=device) % 4
    before = [weight.detach().clone() for weight in net.parameters()]
    began = time.perf_counter()
    for step in range(2):
        if step == 1:
            began = time.perf_counter()
        with torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32"):
            loss = nn.functional.cross_entropy(net(pictures).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if not bool(torch.isfinite(loss)):  # also waits for the device
            raise ValueError(f"the loss in {precision} is {float(loss)}")
    seconds = time.perf_counter() - began
    if all(torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True)):
        raise ValueError(f"a training step in {precision} moved no weight")
    return seconds


def hub_reachable(timeout: float = HUB_SECONDS) -> bool:
    """Whether the model hub answers a HEAD request at all (any HTTP status will do)."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        with urllib.request.urlopen(request, timeout=timeout):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False


class Later:
    """A yes/no question asked in the background; no answer within `HUB_SECONDS` of asking is a no.

    A name server that does not answer ignores every socket's timeout, hence the thread.
    """

    def __init__(self, ask: Callable[[], bool]) -> None:
        self._answer = False
        self._ends = time.monotonic() + HUB_SECONDS
        self._thread = threading.Thread(target=self._run, args=(ask,), daemon=True)
        self._thread.start()

    def _run(self, ask: Callable[[], bool]) -> None:
        self._answer = ask()

    def result(self) -> bool:
        self._thread.join(max(0.0, self._ends - time.monotonic()))
        return self._answer
