"""Peak rates of parameters by patterns of their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from timm.optim import param_groups_weight_decay
from torch import nn

from grandmaster.errors import UserError

_FIELD = "training.rate_groups"


class RateGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters in whose name `pattern` (a regular expression) is found have the peak rate `rate`."""

    pattern: str
    rate: float


def read_rate_groups(texts: Sequence[str]) -> tuple[RateGroup, ...]:
    """`REGEX=RATE` texts, in order.

    Raises:
        UserError: not of that form, not a regular expression, or not a rate between 0 and 1.
    """
    groups = []
    for text in texts:
        pattern, sign, rate = text.rpartition("=")
        try:
            groups.append(RateGroup(pattern=pattern.strip(), rate=float(rate)))
            re.compile(groups[-1].pattern)
        except (ValueError, re.error) as error:
            raise UserError(
                f"{text!r} is not REGEX=RATE: {error}", where=_FIELD, fix="Example: head=1e-3"
            ) from None
        if not sign or not groups[-1].pattern or not 0 <= groups[-1].rate <= 1:
            raise UserError(
                f"{text!r} is not REGEX=RATE with a rate from 0 to 1", where=_FIELD, fix="Example: head=1e-3"
            )
    return tuple(groups)


def assign(names: Sequence[str], groups: Sequence[RateGroup]) -> list[int | None]:
    """Number of the first group found in each name; None: none is.

    Raises:
        UserError: a group that gets no parameter; shows what parameters are called.
    """
    found = [
        next((number for number, group in enumerate(groups) if re.search(group.pattern, name)), None)
        for name in names
    ]
    for number, group in enumerate(groups):
        if number not in found:
            matched = any(re.search(group.pattern, name) for name in names)
            why = "only what earlier patterns have taken" if matched else "no parameter"
            raise UserError(
                f"{group.pattern!r} finds {why}", where=_FIELD, fix=f"Names are like {_examples(names)}."
            )
    return found


def grouped_parameters(
    model: nn.Module, groups: Sequence[RateGroup], *, learning_rate: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser, in the order of `groups`, what belongs to none last.

    Biases, norms and what the model exempts are not decayed (timm's rule). `lr_scale`, which timm's schedulers apply,
    is the group's rate as a share of `learning_rate`: all rates rise and fall together.
    """
    names = {name: id(parameter) for name, parameter in model.named_parameters() if parameter.requires_grad}
    number_of = dict(zip(names.values(), assign(list(names), groups), strict=True))
    exempt: Any = getattr(model, "no_weight_decay", set)()
    decayed = param_groups_weight_decay(model, weight_decay, no_weight_decay_list=exempt)
    trained = [(part["weight_decay"], parameter) for part in decayed for parameter in part["params"]]
    parts: dict[tuple[int, float], dict[str, Any]] = {}
    for decay, parameter in trained:
        number = number_of[id(parameter)]
        place = len(groups) if number is None else number
        scale = 1.0 if number is None else groups[number].rate / learning_rate
        part = parts.setdefault((place, decay), {"params": [], "weight_decay": decay, "lr_scale": scale})
        part["params"].append(parameter)
    return [parts[key] for key in sorted(parts)]


def _examples(names: Sequence[str]) -> str:
    """One name of each of a model's outermost parts."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(name.split(".")[0], name)
    shown = list(first.values())
    return ", ".join(shown[:8]) + (" ..." if len(shown) > 8 else "")
