"""A file beside every fit that says how far each layer moved."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from grandmaster.errors import UserError
from grandmaster.models.passes import is_out_of_memory
from grandmaster.models.weight_change import FILE_NAME, weight_change
from grandmaster.storage import write_json
from grandmaster.training.fit import start_model
from grandmaster.training.optimiser import make_optimiser
from grandmaster.training.spec import FitSpec


def tell_weight_change(spec: FitSpec, model: nn.Module, folder: Path) -> str:
    """Write `weight_change.json` of a fit that has just ended; where it began is made anew from its seed and weights.

    Args:
        model: with the weights that it predicts with.

    Returns:
        Why it could not be told, which is no reason to lose a trained fit; empty: it was.
    """
    try:
        _write(spec, model, folder)
    except UserError as error:  # the weights that it began with are gone, or the disk is full
        return f"how far its layers moved is not told: {error}"
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return "how far its layers moved is not told: there is no memory for a second model"
    return ""


def _write(spec: FitSpec, model: nn.Module, folder: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        began = start_model(spec, grad_checkpointing=False)
    names = {id(parameter): name for name, parameter in began.named_parameters()}
    rates = {
        names[id(parameter)]: spec.learning_rate * group.get("lr_scale", 1.0)
        for group in make_optimiser(began, spec).param_groups
        for parameter in group["params"]
    }
    change = weight_change(began.state_dict(), model.state_dict(), names.values(), rates)
    write_json(folder / FILE_NAME, change)
