"""A loss that is not finite: the last good state is loaded and what comes next is done with less risk, a few times."""

from __future__ import annotations

import msgspec
import torch
from torch import nn

from grandmaster.errors import UserError
from grandmaster.training.precision import PrecisionName
from grandmaster.training.spec import FitSpec

TRIES = 3
# Of the rates, each time that a number format with more range and digits does not help or is in use already.
LOWER = 0.3


class Diverged(Exception):
    """Training cannot go on from here: a loss, or a weight, is not finite."""


class FitFailed(UserError):
    """One fit cannot be carried out; others may."""


class Ease(msgspec.Struct, frozen=True, kw_only=True):
    """How a fit is carried out with less risk than its spec asks for; it stays the fit of that spec.

    Attributes:
        tries: how often that was changed.
        precision: instead of the spec's.
        rate: factor of all rates.
    """

    precision: PrecisionName
    rate: float = 1.0
    tries: int = 0

    def __str__(self) -> str:
        return f"{self.precision} and {self.rate:.2g} times the rates"

    def eased(self, spec: FitSpec) -> FitSpec:
        """What optimiser and schedule are made from."""
        if self.rate == 1.0:
            return spec
        return msgspec.structs.replace(spec, learning_rate=self.rate * spec.learning_rate)


def as_planned(spec: FitSpec) -> Ease:
    """Nothing eased."""
    return Ease(precision=spec.precision)


def next_ease(ease: Ease) -> Ease | None:
    """Less risk than this: full float32 first, as half formats overflow or round; then lower rates. None: enough tried."""
    if ease.tries >= TRIES:
        return None
    if ease.precision != "fp32":
        return msgspec.structs.replace(ease, precision="fp32", tries=ease.tries + 1)
    return msgspec.structs.replace(ease, rate=LOWER * ease.rate, tries=ease.tries + 1)


@torch.no_grad()
def resynchronise(average: nn.Module, net: nn.Module) -> list[str]:
    """Take from the weights what is not finite in their average; a single bad step would stay in it for ever.

    Returns:
        Names of the tensors that were mended.

    Raises:
        Diverged: a weight itself is not finite.
    """
    weights = net.state_dict()
    mended = []
    for name, averaged in average.state_dict().items():
        if not averaged.is_floating_point():
            continue
        own = weights[name].to(averaged.device)
        if not torch.isfinite(own).all():
            raise Diverged(f"{name} is not finite")
        if not torch.isfinite(averaged).all():
            averaged.copy_(own)
            mended.append(name)
    return mended
