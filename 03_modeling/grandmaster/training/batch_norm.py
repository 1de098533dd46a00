"""BatchNorm where batches are small: the statistics of the loaded weights, or those that training pictures give."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# Enough for means and variances; one fold of a small competition.
RE_ESTIMATION_PICTURES = 1000


def freeze_batch_norm(model: nn.Module) -> None:
    """Use, and keep, the loaded BatchNorm statistics: those of a small batch are too noisy to learn from."""
    for module in _norms(model):
        module.eval()


@torch.no_grad()
def re_estimate_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the BatchNorm statistics by the plain mean over training pictures under the weights as they are.

    Averaged weights have never seen a batch: the average of the statistics is not the statistics of the average
    (Izmailov et al. 2018; precise BatchNorm of Wu & Johnson 2021). As `torch.optim.swa_utils.update_bn`, but with
    dropout and stochastic depth off, as in prediction. The model is left in evaluation mode.

    Args:
        batches: inputs (b, c, h, w), on the model's device; each weighs the same, whatever its size. As many are
            taken as hold `RE_ESTIMATION_PICTURES`. Without any BatchNorm none is.
    """
    norms = _norms(model)
    if not norms:
        return
    model.eval()
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # cumulative
        module.train()
    seen = 0
    for inputs in batches:
        model(inputs)
        seen += len(inputs)
        if seen >= RE_ESTIMATION_PICTURES:
            break
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
        module.eval()


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]
