"""Number formats: what a device really has, and optimiser steps that know when they were skipped."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

PrecisionName = Literal["fp32", "bf16", "fp16"]


def best_precision(device: str) -> tuple[PrecisionName, str]:
    """The format for a device, with the reason.

    bf16 needs tensor cores of compute capability 8.0 or more; `torch.cuda.is_bf16_supported()` also says yes where
    it is emulated (T4), which is slower than float32.
    """
    if device != "cuda":
        return "fp32", "on a CPU float32: bf16 is faster on some, but rounds more; only when it is set"
    capability = torch.cuda.get_device_capability()
    if capability >= (8, 0):
        return (
            "bf16",
            f"compute capability {capability[0]}.{capability[1]} has bf16 in hardware: no loss scaling needed",
        )
    return (
        "fp16",
        f"compute capability {capability[0]}.{capability[1]} has no bf16 in hardware: float16 with loss scaling",
    )


class Precision:
    """Fabric for one device and format, and the optimiser step that goes with it."""

    def __init__(self, device: str, name: PrecisionName) -> None:
        self.scaler: torch.amp.GradScaler | None = None
        if device == "cuda":
            # As timm's train.py: convolutions by the fastest algorithm for the shapes at hand, and TF32 for what is
            # left in float32.
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
        plugins: list[Any] = []
        # The scaler is ours, handed to Fabric, because a checkpoint must hold it and a skipped step must be seen.
        if name == "fp16":
            self.scaler = torch.amp.GradScaler(device)
            plugins = [MixedPrecision("16-mixed", device, self.scaler)]
        elif name == "bf16":
            plugins = [MixedPrecision("bf16-mixed", device)]
        self.fabric = Fabric(
            accelerator="cuda" if device == "cuda" else "cpu", devices=1, plugins=plugins or None
        )

    def clip(self, model: Any, optimiser: Any, max_norm: float) -> None:
        """Scale all gradients down to a common norm of at most `max_norm` (Pascanu et al. 2013)."""
        fused = getattr(optimiser.optimizer, "_step_supports_amp_scaling", False)
        if self.scaler is None or not fused:
            self.fabric.clip_gradients(model, optimiser, max_norm=max_norm, error_if_nonfinite=False)
            return
        # Fabric refuses to clip where the optimiser could unscale by itself; torch's scaler knows what is unscaled.
        self.scaler.unscale_(optimiser.optimizer)
        weights = [weight for group in optimiser.param_groups for weight in group["params"]]
        torch.nn.utils.clip_grad_norm_(weights, max_norm)

    def step(self, optimiser: Any) -> bool:
        """Step the optimiser; False when fp16 overflowed and the step was skipped (the schedule must then stand still)."""
        if self.scaler is None:
            optimiser.step()
            return True
        before = self.scaler.get_scale()
        optimiser.step()  # Fabric's wrapper: scaler.step and scaler.update
        return self.scaler.get_scale() >= before
