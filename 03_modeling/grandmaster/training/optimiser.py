"""AdamW with layer-wise rates, and a warm-up + cosine schedule in optimiser steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from timm.optim import create_optimizer_v2
from timm.scheduler.cosine_lr import CosineLRScheduler
from torch import nn
from torch.optim import Optimizer

from grandmaster.training.rate_groups import grouped_parameters
from grandmaster.training.spec import FitSpec


def make_optimiser(model: nn.Module, spec: FitSpec) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019); no decay on biases and norms; rates fall by `layer_decay` a layer (timm).

    Raises:
        UserError: a pattern of `rate_groups` that no parameter has.
    """
    options: dict[str, Any] = {"layer_decay": spec.layer_decay} if spec.layer_decay < 1 else {}
    if spec.rate_groups:
        options["param_group_fn"] = lambda net: grouped_parameters(
            net, spec.rate_groups, learning_rate=spec.learning_rate, weight_decay=spec.weight_decay
        )
    if spec.fused:
        options["fused"] = True
    optimiser: Optimizer = create_optimizer_v2(
        model, opt="adamw", lr=spec.learning_rate, weight_decay=spec.weight_decay, **options
    )
    return optimiser


class Bend(msgspec.Struct, frozen=True, kw_only=True):
    """From optimiser step `step` on, at `place` of the planned curve, the rest of it is gone through until step `end`."""

    step: int
    place: float
    end: int


class Schedule:
    """Rate of every step from its number alone, so that a resumed run needs no state but its bends.

    Linear warm-up over `warmup_fraction` of all steps, then a cosine (SGDR, Loshchilov & Hutter 2017) down to
    `final_rate_fraction` of the peak. timm's scheduler also applies each group's layer-wise `lr_scale`.

    Attributes:
        steps: of the curve as it was planned.
    """

    def __init__(self, optimiser: Optimizer, spec: FitSpec, steps: int, bends: Sequence[Bend] = ()) -> None:
        self.steps, self._bends = steps, list(bends)
        warmup = min(steps - 1, round(steps * spec.warmup_fraction))
        self._scheduler = CosineLRScheduler(
            optimiser,
            t_initial=max(1, steps - warmup),
            lr_min=spec.learning_rate * spec.final_rate_fraction,
            warmup_t=warmup,
            warmup_lr_init=spec.learning_rate * 0.01,
            warmup_prefix=True,  # without it the peak is never reached
            t_in_epochs=False,
        )

    def bend(self, step: int, end: int) -> Bend:
        """From `step` on, end at step `end` instead.

        To end earlier, what is left of the curve is gone through faster, down to its last rate. To end later, the fit
        goes on as if that had been planned from its first step on.
        """
        planned = self._bends[-1].end if self._bends else self.steps
        place = self._place(step) if end < planned else step * self.steps / end
        self._bends.append(Bend(step=step, place=place, end=end))
        return self._bends[-1]

    def set_step(self, step: int) -> None:
        """Set the rates for optimiser step `step` (from 0)."""
        self._scheduler.step_update(self._place(step))

    def progress(self, step: int) -> float:
        """Share of the curve that lies behind, 0 to 1."""
        return self._place(step) / self.steps

    def _place(self, step: int) -> Any:
        """Where on the planned curve, in its steps."""
        if not self._bends:
            return step
        last = self._bends[-1]
        share = min(1.0, (step - last.step) / max(1, last.end - last.step))
        return last.place + share * (self.steps - last.place)
