"""Memory that runs out at a moment of one's choosing, inside the real training and prediction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook


@dataclass(kw_only=True)
class Card:
    """A device whose memory ends: from `moment` on, a pass of more than `holds` pictures fails.

    Moments are counted at every module's forward and backward pass and at every optimiser step.

    Attributes:
        phases: "forward", "backward", "step" of every moment; the phase of those that failed.
        steps: of every optimiser step since the last failure: the pictures of its passes, the rates, the gradients.
    """

    holds: int
    moment: float = float("inf")
    training: bool = True
    phases: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    steps: list[tuple[list[Tensor], list[float], Tensor]] = field(default_factory=list)
    _inputs: list[Tensor] = field(default_factory=list)

    def allocate(self, phase: str) -> None:
        if (torch.is_grad_enabled() or phase != "forward") != self.training:
            return
        self.phases.append(phase)
        if len(self.phases) > self.moment and self.passes and self.passes[-1] > self.holds:
            self.failed.append(phase)
            self.steps, self._inputs = [], []
            self.passes.append(0)  # this pass is over
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    def before_forward(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        whole_model = hasattr(type(module), "get_classifier")  # timm's; not Fabric's wrapper around it
        if whole_model and torch.is_grad_enabled() == self.training:
            self.passes.append(len(args[0]))
            self._inputs.append(args[0].detach().clone())
        self.allocate("forward")

    def after_forward(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor) and output.requires_grad:
            output.register_hook(lambda _: self.allocate("backward"))

    def before_step(self, optimiser: torch.optim.Optimizer, *_: Any) -> None:
        self.allocate("step")
        rates = [group["lr"] for group in optimiser.param_groups]
        parameters = [weight for group in optimiser.param_groups for weight in group["params"]]
        gradient = torch.cat([weight.grad.flatten() for weight in parameters])
        self.steps.append((self._inputs, rates, gradient))
        self._inputs = []


@contextmanager
def inserted(card: Card) -> Iterator[Card]:
    """The card is what everything runs on."""
    handles = [
        register_module_forward_pre_hook(card.before_forward),
        register_module_forward_hook(card.after_forward),
        register_optimizer_step_pre_hook(card.before_step),
    ]
    try:
        yield card
    finally:
        for handle in handles:
            handle.remove()
