"""The head that ArcFace trains: a scaled cosine between features and one direction a class."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grandmaster.errors import UserError


class CosineClassifier(nn.Module):
    """Logits `scale * cos(features, direction of the class)`, without bias: Deng et al. 2019 (ArcFace), at prediction.

    The margin belongs to the loss, which takes the cosines back out of the logits: the model is the same in training,
    averaging and prediction. Float32 also under mixed precision: half a digit of a cosine is a whole logit.

    Args:
        scale: of the logits; not trained, not in the state dictionary.
    """

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__()
        self.in_features, self.out_features, self.scale = features, classes, scale
        self.weight = nn.Parameter(torch.empty(classes, features))
        # Rows of about length 1: an optimiser's step then turns them as far as it turns any other layer's.
        nn.init.normal_(self.weight, std=features**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """(b, features) -> float32 (b, classes)."""
        with torch.autocast(features.device.type, enabled=False):
            return self.scale * F.linear(
                F.normalize(features.float()), F.normalize(self.weight.float(), dim=1)
            )


def use_cosine_classifier(model: Any, scale: float) -> None:
    """Put a `CosineClassifier` in the place, and under the name, of a timm model's linear classifier.

    Raises:
        UserError: the classifier is not one linear layer.
    """
    linear = model.get_classifier()
    places = [name for name, module in model.named_modules() if module is linear]
    if not isinstance(linear, nn.Linear) or len(places) != 1:
        raise UserError(
            f"{model.pretrained_cfg['architecture']} does not end in one linear layer",
            where="training.loss",
            fix="ArcFace needs one; choose another loss or another backbone.",
        )
    parent, _, name = places[0].rpartition(".")
    cosine = CosineClassifier(linear.in_features, linear.out_features, scale).to(linear.weight.device)
    setattr(model.get_submodule(parent), name, cosine)
