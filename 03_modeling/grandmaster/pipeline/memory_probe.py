"""Memory of real training steps on the GPU at hand, measured in a process of its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache

import torch

from grandmaster.models.activations import GIB
from grandmaster.models.builder import build_model
from grandmaster.models.passes import is_out_of_memory
from grandmaster.models.registry import ModelArgs
from grandmaster.models.weights import Weights
from grandmaster.training.precision import Precision, PrecisionName


@lru_cache(maxsize=64)
def probe_peaks(
    timm_name: str,
    input_size: int,
    micro_batch: int,
    grad_checkpointing: bool,
    precision: PrecisionName,
    model_args: ModelArgs = (),
) -> float | None:
    """Peak, GiB, of training with `micro_batch` pictures a pass, without CUDA's context and the average of weights.

    Two optimiser steps each of two small micro-batches, in a child process, so that nothing stays on the device; the
    peak is the straight line through both.

    Returns:
        None: there is no GPU here, or even the small micro-batches do not run.
    """
    if not torch.cuda.is_available():
        return None
    low, high = (1, 2) if micro_batch < 4 else (2, 4)
    spawn = multiprocessing.get_context("spawn")  # a forked child cannot use CUDA
    try:
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            peaks = pool.submit(
                measure, timm_name, input_size, (low, high), grad_checkpointing, precision, "cuda", model_args
            ).result()
    except BrokenProcessPool:
        return None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None
    return extrapolate((low, high), peaks, micro_batch)


def extrapolate(sizes: tuple[int, int], peaks: tuple[float, float], micro_batch: int) -> float:
    """The straight line through two measurements; never falling, which only noise would do."""
    slope = max(0.0, (peaks[1] - peaks[0]) / (sizes[1] - sizes[0]))
    return peaks[1] + slope * (micro_batch - sizes[1])


def measure(
    timm_name: str,
    input_size: int,
    sizes: tuple[int, int],
    grad_checkpointing: bool,
    precision: PrecisionName,
    device: str,
    model_args: ModelArgs = (),
) -> tuple[float, float]:
    """Peak, GiB, that torch's allocator reserves over two optimiser steps of each micro-batch; 0 on a CPU."""
    path = Precision(device, precision)
    start = Weights(source="none", mean=(0.0,) * 3, std=(1.0,) * 3, model_args=dict(model_args))
    net = build_model(
        timm_name, start, classes=1000, input_size=input_size, grad_checkpointing=grad_checkpointing
    )
    model, optimiser = path.fabric.setup(net, torch.optim.AdamW(net.parameters(), lr=1e-6))
    model.train()
    for part in model.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.eval()  # cannot train on one picture; the memory is the same
    peaks = []
    for size in sizes:
        pictures = torch.zeros(size, 3, input_size, input_size, device=path.fabric.device)
        if device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        for _ in range(2):  # the second finds gradients and moments there
            path.fabric.backward(model(pictures).float().sum())
            path.step(optimiser)
        peaks.append(torch.cuda.max_memory_reserved() / GIB if device == "cuda" else 0.0)
        optimiser.zero_grad(set_to_none=False)
    return peaks[0], peaks[1]
