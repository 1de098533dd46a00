"""What is asked of the held-out pictures after every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from grandmaster.images.dataset import PictureDataset, TrainingPictures
from grandmaster.images.loader import eval_loader
from grandmaster.stopwatch import spending, waiting_for
from grandmaster.training.divergence import Diverged
from grandmaster.training.engine import validate
from grandmaster.training.epoch_choice import Validated, validated
from grandmaster.training.spec import FitSpec


@dataclass(frozen=True, kw_only=True)
class FoldData:
    """The pictures of one fold.

    Attributes:
        train: augmented; may teach something else than the labels, and hold further pictures.
        validation: as they are.
        corrupted: the validation pictures, corrupted like the test set, drawn independently of training; or None.
        row_of: the submission's row of every picture of the store; None: each its own.
        parts: int64, of every picture of the store, 0, 1, ...: the part of the held-out pictures that it belongs to, see
            `epoch_choice`; pictures of one row or group are of one part. None: they are not parted, and are predicted by
            the epoch that they chose.
    """

    train: TrainingPictures
    validation: PictureDataset
    corrupted: PictureDataset | None
    row_of: npt.NDArray[Any] | None = None
    parts: npt.NDArray[np.int64] | None = None

    @property
    def part_count(self) -> int:
        """How many parts there are; 0: they are not parted."""
        return 0 if self.parts is None else int(self.parts[self.validation.rows].max()) + 1


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An epoch, by its held-out pictures.

    Attributes:
        loss: of the clean pictures.
        clean, corrupted: scores by the competition's metric; corrupted None where there are no such pictures.
        chooses: the pictures by which epochs are chosen.
        chosen: their score.
    """

    loss: float
    clean: float
    corrupted: float | None
    chooses: Validated
    chosen: float


def judge_epoch(fabric: Any, model: nn.Module, data: FoldData, spec: FitSpec, workers: int) -> Judged:
    """Predict the held-out pictures, and score them.

    Raises:
        Diverged: a prediction is not finite.
    """
    clean = _judge_pictures(fabric, model, data.validation, data, spec, workers)
    chooses, score, corrupted = clean, clean.score(), None
    chosen = score
    if data.corrupted is not None:
        hard = _judge_pictures(fabric, model, data.corrupted, data, spec, workers)
        corrupted = hard.score()
        if spec.selection == "corrupted":
            chooses, chosen = hard, corrupted
    return Judged(loss=clean.loss, clean=score, corrupted=corrupted, chooses=chooses, chosen=chosen)


def _judge_pictures(
    fabric: Any, model: nn.Module, dataset: PictureDataset, data: FoldData, spec: FitSpec, workers: int
) -> Validated:
    """What a model says of pictures that it was not trained on.

    Raises:
        Diverged: a prediction is not finite.
    """
    loader = eval_loader(dataset, batch_size=spec.prediction_batch, workers=workers)
    with spending("prediction"):
        places, truth, values, loss = validate(fabric, model, waiting_for(loader), spec)
    if not np.isfinite(values).all():
        raise Diverged(
            f"{spec.backbone}, fold {spec.fold} predicts validation pictures with what is not finite"
        )
    return validated(spec, places, truth, values, loss, row_of=data.row_of, parts=data.parts)
