"""The loss of an epoch, read without making a GPU's host wait for the step it has just started."""

from __future__ import annotations

import math
from collections import deque

import torch
from torch import Tensor

from grandmaster.training.divergence import Diverged


class LossSum:
    """Sum of summed losses; every one is looked at, though on a GPU some micro-batches later.

    Args:
        fit: what is being trained, for the message.
        epoch: from 0.
        delay: micro-batches after which a loss is read. 0: at once, as a CPU has it by then anyway. On a GPU the steps
            in between have run on when a bad loss is found; nothing is lost by that, for the last
            good state is loaded.
    """

    def __init__(self, fit: str, epoch: int, *, delay: int) -> None:
        self._fit, self._epoch, self._delay = fit, epoch, delay
        self._waiting: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()
        self._total = 0.0

    def add(self, loss: Tensor, step: int) -> None:
        """Take the loss of a micro-batch, summed over its pictures, of optimiser step `step` (from 0).

        Raises:
            Diverged: this loss, or one that was waiting, is not finite; names its epoch and step.
        """
        loss, copied = loss.detach(), None
        if self._delay and loss.is_cuda:
            copy = torch.empty((), dtype=loss.dtype, pin_memory=True)
            copy.copy_(loss, non_blocking=True)
            copied = torch.cuda.Event()
            copied.record()
            loss = copy
        self._waiting.append((step, loss, copied))
        while len(self._waiting) > self._delay:
            self._read_one()

    def total(self) -> float:
        """The sum of all losses.

        Raises:
            Diverged: as `add`.
        """
        while self._waiting:
            self._read_one()
        return self._total

    def _read_one(self) -> None:
        step, loss, copied = self._waiting.popleft()
        if copied is not None:
            copied.synchronize()
        value = float(loss)
        if not math.isfinite(value):
            raise Diverged(f"the loss of {self._fit} is {value} at epoch {self._epoch + 1}, step {step + 1}")
        self._total += value
