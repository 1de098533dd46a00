"""Values of a set of pictures, over the views of test-time augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from grandmaster.images.dataset import PictureDataset
from grandmaster.images.loader import eval_loader
from grandmaster.images.normalise import to_input
from grandmaster.models.head import Head
from grandmaster.models.memory_format import MemoryFormat
from grandmaster.models.passes import in_passes
from grandmaster.models.weights import Weights
from grandmaster.prediction.tta import predict_views
from grandmaster.prediction.views import are_kept
from grandmaster.stopwatch import spending, waiting_for


@dataclass(frozen=True, kw_only=True)
class ViewPredictions:
    """Of n pictures.

    Attributes:
        rows: rows of the store, (n,).
        plain: values of the picture as it is, float32 (n, outputs).
        averaged: mean values over all views, float32 (n, outputs).
        by_view: values of every view, float32 (views, n, outputs); None: there is one view, or they are too many numbers
            to be kept (`views.are_kept`).
    """

    rows: npt.NDArray[np.int64]
    plain: npt.NDArray[np.float32]
    averaged: npt.NDArray[np.float32]
    by_view: npt.NDArray[np.float32] | None = None


@torch.inference_mode()
def predict(
    fabric: Any,
    model: nn.Module,
    dataset: PictureDataset,
    weights: Weights,
    head: Head,
    *,
    device: str,
    memory_format: MemoryFormat,
    batch_size: int,
    views: Literal[1, 2, 4, 8],
    workers: int = 0,
    on_batch: Callable[[int], None] = lambda _: None,
    on_smaller: Callable[[int], None] = lambda _: None,
    of: int | None = None,
) -> ViewPredictions:
    """Predict every picture of `dataset` under `views` views; each is decoded and moved to the device once.

    Where memory runs out, batches go through the model in smaller passes, of which `on_smaller` is told the size;
    values and order stay the same.

    Args:
        memory_format: that of the model.
        of: as many pictures as are predicted in all, of which these are a part, since views are kept for all or none;
            None: these are all.
    """
    model.eval()
    rows, plain, averaged, every = [], [], [], []
    keep = views > 1 and are_kept(views, of or len(dataset), head.outputs)

    def forward(batch: torch.Tensor) -> torch.Tensor:
        with fabric.autocast():
            logits: torch.Tensor = model(batch)
        return head.activate(logits)

    def of_views(pictures: torch.Tensor) -> torch.Tensor:
        inputs = to_input(
            pictures,
            weights.mean,
            weights.std,
            device=device,
            channels_last=memory_format == "channels_last",
        )
        return predict_views(forward, inputs, views).cpu()

    with spending("prediction"):
        for batch in waiting_for(eval_loader(dataset, batch_size=batch_size, workers=workers)):
            by_view = torch.cat(in_passes(of_views, batch.pictures, model, on_smaller), dim=1)
            rows.append(batch.rows.numpy())
            plain.append(by_view[0].numpy())
            averaged.append(by_view.mean(dim=0).numpy())
            if keep:
                every.append(by_view.numpy())
            on_batch(len(batch.rows))
    return ViewPredictions(
        rows=np.concatenate(rows),
        plain=np.concatenate(plain),
        averaged=np.concatenate(averaged),
        by_view=np.concatenate(every, axis=1) if keep else None,
    )


def joined_predictions(parts: Sequence[ViewPredictions], rows: npt.NDArray[np.integer]) -> ViewPredictions:
    """Predictions of parts of some pictures as those of the whole, in the order of `rows`."""
    if len(parts) == 1:
        return parts[0]
    seen = np.concatenate([part.rows for part in parts])
    place = np.argsort(seen)[np.searchsorted(np.sort(seen), rows)]
    views = [part.by_view for part in parts if part.by_view is not None]
    return ViewPredictions(
        rows=seen[place],
        plain=np.concatenate([part.plain for part in parts])[place],
        averaged=np.concatenate([part.averaged for part in parts])[place],
        by_view=np.concatenate(views, axis=1)[:, place] if views else None,
    )
