"""The machine as the plan sees it."""

from __future__ import annotations

import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch

from grandmaster.errors import UserError
from grandmaster.machine_config import HardwareConfig
from grandmaster.pipeline.machine import installed_version, memory_bytes, usable_cores
from grandmaster.training.precision import PrecisionName, best_precision

GIB = 2**30
_VERSIONS = ("torch", "torchvision", "timm", "albumentations", "opencv-python-headless", "numpy", "pandas", "scikit-learn", "ttach", "lightning-fabric")  # fmt: skip


class Hardware(msgspec.Struct, frozen=True, kw_only=True):
    """What there is, and how it is going to be used.

    Attributes:
        vram_gb: GPU memory that the plan may count on; 0 without a GPU.
        absent: this is a GPU to plan for, not one that is here.
        memory_gb: of the machine, or of its container.
        shm_gb: shared memory, through which loader processes hand over batches; None where there is no such limit.
    """

    device: Literal["cpu", "cuda"]
    device_reason: str
    precision: PrecisionName
    precision_reason: str
    gpu_name: str
    vram_gb: float
    capability: tuple[int, int] | None
    cores: int
    memory_gb: float
    shm_gb: float | None
    absent: bool = False


def read_hardware(config: HardwareConfig) -> Hardware:
    """Read the machine; settings that ask for what it lacks are refused.

    Raises:
        UserError: a GPU is asked for and there is none, or a format that the device does not have.
    """
    has_gpu = torch.cuda.is_available()
    if config.device == "cuda" and not has_gpu:
        raise UserError(
            "no usable CUDA device", where="hardware.device", fix="Run --mode debug to see why, or use cpu."
        )
    on_gpu = has_gpu and config.device != "cpu"
    device: Literal["cpu", "cuda"] = "cuda" if on_gpu else "cpu"
    if on_gpu:
        reason = torch.cuda.get_device_name()
    else:
        reason = "as set" if config.device == "cpu" else "no CUDA device found"
    precision, why = best_precision(device)
    if config.precision != "auto":
        if not on_gpu and config.precision == "fp16":
            raise UserError("fp16 cannot train on a CPU", where="hardware.precision", fix="Use fp32.")
        precision, why = config.precision, "as set"
    vram = 0.0
    if on_gpu:
        vram = config.vram_gb or torch.cuda.get_device_properties(0).total_memory / GIB
    return Hardware(
        device=device,
        device_reason=reason,
        precision=precision,
        precision_reason=why,
        gpu_name=torch.cuda.get_device_name() if on_gpu else "",
        vram_gb=round(vram, 1),
        capability=torch.cuda.get_device_capability() if on_gpu else None,
        cores=usable_cores(),
        memory_gb=round(memory_bytes() / GIB, 1),
        shm_gb=round(shutil.disk_usage("/dev/shm").free / GIB, 2) if Path("/dev/shm").is_dir() else None,
    )


def planning_hardware(hardware: Hardware, config: HardwareConfig) -> Hardware:
    """What a plan is for: this machine, or, where it has no GPU and `vram_gb` is set, a GPU of that size.

    Such a GPU is taken to have bf16 (fp16 needs as much memory).
    """
    if config.vram_gb is None or hardware.device == "cuda" or config.device == "cpu":
        return hardware
    reason = f"a GPU of {config.vram_gb:g} GB to plan for, as set; there is none here"
    return msgspec.structs.replace(
        hardware,
        device="cuda",
        device_reason=reason,
        precision="bf16" if config.precision == "auto" else config.precision,
        precision_reason="taken for granted on a GPU to plan for" if config.precision == "auto" else "as set",
        vram_gb=config.vram_gb,
        absent=True,
    )


def describe_environment(hardware: Hardware, *, command: str, mode: str) -> dict[str, Any]:
    """The content of `environment.json`."""
    gpu = None
    if hardware.device == "cuda":
        gpu = {"name": hardware.gpu_name, "memory_gb": hardware.vram_gb, "capability": hardware.capability}
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": hardware.cores,
        "memory_gb": hardware.memory_gb,
        "gpu": gpu,
        "versions": {name: installed_version(name) for name in _VERSIONS},
        "command": command,
        "mode": mode,
    }


def cpu_name() -> str:
    """What the processor calls itself; empty where it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def measure_gflops(device: str, precision: PrecisionName) -> float:
    """GFLOP/s of a large matrix product in the format to be used: the device's practical peak, in about half a second."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    size = 4096 if device == "cuda" else 1024
    left = torch.randn(size, size, device=device, dtype=dtype)
    best = 0.0
    for _ in range(5):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        product = left @ left
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
        del product
    return best
