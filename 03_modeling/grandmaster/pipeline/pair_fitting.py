"""The specialists of one fit: regressions on its model's penultimate features, and what they say of unseen pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from grandmaster.competition.predictions import Predictions
from grandmaster.images.dataset import PictureDataset
from grandmaster.images.loader import eval_loader
from grandmaster.images.normalise import to_input
from grandmaster.models.features import LinearHeads, penultimate
from grandmaster.models.head import Head
from grandmaster.models.passes import in_passes
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.fitted import fitted_on_device
from grandmaster.pipeline.fold_pictures import fold_data
from grandmaster.pipeline.held_out import SCORING_SEED, predict_pictures, smaller_passes
from grandmaster.pipeline.members import Member, member_spec
from grandmaster.pipeline.workers import with_workers
from grandmaster.prediction.pairs import Pair, fit_pair, pair_name
from grandmaster.prediction.predict import ViewPredictions
from grandmaster.stopwatch import spending
from grandmaster.storage import write_json
from grandmaster.training.judging import FoldData
from grandmaster.training.precision import Precision
from grandmaster.training.spec import FitSpec

MOST_PICTURES = 4000
"""Of a pair that a specialist learns from, drawn at random of more: one direction in the features needs no more."""
DRAW_SEED = 32_452_843
"""Specialists see their pictures under other draws of the augmentation than the model did, which learnt those by heart."""


def fit_pairs(
    context: RunContext, member: Member, pairs: Sequence[Pair], folder: Path, *, task: str
) -> list[Path]:
    """Fit a specialist for each pair on one fit's training pictures, and predict what that fit never saw.

    A pair of which one class has no training picture here is left out. The chances of a pair depend on nothing but its own
    pictures: which other pairs are fitted changes nothing.

    Args:
        folder: for `oof.npz`, `oof_plain.npz`, `oof_corrupted.npz` where there are such, and `test.npz`, with one output
            for each pair (`pair_name`): the chance of its first class, if it is one of the two; `pairs.json`; none but the
            last where no pair is left.
        task: for messages.

    Returns:
        The files.
    """
    spec = member_spec(context, member)
    data = fold_data(context, spec)
    net, precision = fitted_on_device(context, spec, member.folder)
    at_hand = _Fit(context=context, spec=spec, net=net, precision=precision, task=task)
    assert isinstance(data.train, PictureDataset), "the fold's own pictures, with nothing taught beside them"
    learnt = {pair: _pictures_of(data.train, pair, spec.seed) for pair in pairs}
    context.progress.start(task, context.config.specialist.draws * sum(map(len, learnt.values())))
    found = {pair: at_hand.learn(dataset, pair) for pair, dataset in learnt.items()}
    heads = {pair: head for pair, head in found.items() if head is not None}
    written = [folder / "pairs.json"]
    classes = context.competition.classes
    write_json(written[0], {"pairs": [[classes[first], classes[second]] for first, second in heads]})
    if heads:
        slopes = np.stack([slope for slope, _ in heads.values()])
        own = LinearHeads(at_hand.net, slopes, np.array([bias for _, bias in heads.values()])).eval()
        written += at_hand.predict_all(own, data, tuple(map(pair_name, heads)), folder)
    return written


def _pictures_of(trained: PictureDataset, pair: Pair, seed: int) -> PictureDataset:
    """The training pictures of two classes."""
    assert trained.targets is not None, "training pictures have labels"
    rows = trained.rows[np.isin(trained.targets[trained.rows], pair)]
    if len(rows) > MOST_PICTURES:
        rows = np.sort(np.random.default_rng((seed, *pair)).choice(rows, MOST_PICTURES, replace=False))
    return trained.with_rows(rows).with_seed(seed + DRAW_SEED)


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """One fit with its model on its device."""

    context: RunContext
    spec: FitSpec
    net: nn.Module
    precision: Precision
    task: str

    def learn(self, dataset: PictureDataset, pair: Pair) -> tuple[npt.NDArray[np.float64], float] | None:
        """The regression of one pair; None where one of its classes has no training pictures."""
        if not len(dataset):
            return None
        features, first, weights = with_workers(
            self.context, self.task, lambda workers: self._gather(dataset, pair, workers)
        )
        balanced = self.context.plan.decisions.class_balance.value != "off"
        return fit_pair(features, first, weights, balanced=balanced)

    def _gather(
        self, dataset: PictureDataset, pair: Pair, workers: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
        """Features of n pictures (n, d), whether each is of the pair's first class, and how much it counts."""
        features, first, weights = [], [], []
        for draw in range(self.context.config.specialist.draws):
            seen = dataset.with_seed(dataset.seed + draw)
            for batch in eval_loader(seen, batch_size=self.spec.prediction_batch, workers=workers):
                with spending("prediction"):
                    found = self._features(batch.pictures)
                # A mixed picture counts for both that are in it; the other one is of the pair, too.
                for targets, share in (
                    (batch.targets, 1 - batch.other_shares),
                    (batch.other_targets, batch.other_shares),
                ):
                    counted = share.numpy() > 0
                    features.append(found[counted])
                    first.append(targets.numpy()[counted] == pair[0])
                    weights.append(share.numpy()[counted])
                self.context.progress.advance(self.task, len(batch.rows))
        return np.concatenate(features), np.concatenate(first), np.concatenate(weights)

    @torch.inference_mode()
    def _features(self, pictures: torch.Tensor) -> npt.NDArray[np.float32]:
        def of_pictures(part: torch.Tensor) -> torch.Tensor:
            inputs = to_input(
                part,
                self.spec.weights.mean,
                self.spec.weights.std,
                device=self.spec.device,
                channels_last=self.spec.memory_format == "channels_last",
            )
            with self.precision.fabric.autocast():
                return penultimate(self.net, inputs).float().cpu()

        smaller = smaller_passes(self.context, self.task)
        return torch.cat(in_passes(of_pictures, pictures, self.net, smaller)).numpy()

    def predict_all(
        self, own: LinearHeads, data: FoldData, names: tuple[str, ...], folder: Path
    ) -> list[Path]:
        """The held-out pictures, as they are and corrupted as for the fit's scores, and the test set."""
        written = []

        def keep(kind: str, ids: npt.NDArray[np.object_], values: npt.NDArray[np.float32]) -> None:
            written.append(folder / f"{kind}.npz")
            Predictions(ids=tuple(ids), outputs=names, values=values).save(written[-1])

        trained = self.context.trainable["id"].to_numpy(object)
        clean = self._predict(own, data.validation, len(names))
        keep("oof", trained[clean.rows], clean.averaged)
        keep("oof_plain", trained[clean.rows], clean.plain)
        if data.corrupted is not None:
            marred = self._predict(own, data.corrupted.with_seed(self.spec.seed + SCORING_SEED), len(names))
            keep("oof_corrupted", trained[marred.rows], marred.averaged)
        rows = self.context.readable_test_rows
        if len(rows):
            store = self.context.store("test", self.spec.store_size)
            pictures = PictureDataset(store, None, None, self.spec.input_size, self.spec.seed, rows=rows)
            unseen = self._predict(own, pictures, len(names))
            keep("test", self.context.competition.test["id"].to_numpy(object)[unseen.rows], unseen.averaged)
        return written

    def _predict(self, own: LinearHeads, dataset: PictureDataset, pairs: int) -> ViewPredictions:
        asked = msgspec.structs.replace(self.spec, head=Head(kind="multilabel", outputs=pairs))
        views = self.context.config.specialist.views
        return predict_pictures(
            self.context, asked, own, self.precision, dataset, views=views, task=self.task
        )
