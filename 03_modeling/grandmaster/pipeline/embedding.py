"""Embeddings of pictures by a pretrained backbone that is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.images.normalise import to_input
from grandmaster.images.resize import to_square
from grandmaster.models.builder import build_model
from grandmaster.models.registry import SMALL
from grandmaster.models.weights import architectures_at_hand, find_weights
from grandmaster.stopwatch import spending

SIDE = 160  # px: what tells sets of pictures apart is seen at this size, at a fifth of the cost of 384
BATCH = 64


class Embedder:
    """Pictures of any size -> what the backbone knows of them before its classifier.

    Attributes:
        name: of the backbone.
    """

    def __init__(
        self, name: str, model: torch.nn.Module, mean: Sequence[float], std: Sequence[float], device: str
    ):
        self.name, self._model, self._mean, self._std, self._device = (
            name,
            model,
            tuple(mean),
            tuple(std),
            device,
        )

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """(n, d) float32, in the order of the pictures."""
        found = []
        for start in range(0, len(pictures), BATCH):
            squares = np.stack([to_square(picture, SIDE) for picture in pictures[start : start + BATCH]])
            batch = torch.from_numpy(squares).permute(0, 3, 1, 2)
            inputs = to_input(
                batch, self._mean, self._std, device=self._device, channels_last=self._device == "cpu"
            )
            with spending("prediction"):
                found.append(self._model(inputs).float().cpu().numpy())
        return np.concatenate(found)


def find_embedder(config: Config, device: str) -> Embedder | None:
    """A small backbone whose pretrained weights lie in `model.weights_dir`; None where there is none.

    The hub is not asked: comparing pictures must not wait for a network.
    """
    folder = None if config.model.weights_dir is None else Path(config.model.weights_dir)
    if folder is None or not folder.is_dir() or not config.model.pretrained:
        return None
    for backbone in SMALL.values():
        try:
            if not architectures_at_hand(folder, [backbone]):
                continue
            weights = find_weights(backbone, weights_dir=folder, pretrained=True)
            model = build_model(backbone.timm_name, weights, classes=0, input_size=SIDE).to(device).eval()
        except UserError:
            continue  # a doubtful file is an error for who trains with it, not for who only compares pictures
        if device == "cpu":
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Embedder(backbone.name, model, weights.mean, weights.std, device)
    return None
