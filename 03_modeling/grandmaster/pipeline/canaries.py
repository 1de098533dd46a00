"""Canaries: leaks are provoked through the whole pipeline, and must not get through.

Each is run on a part of the person's own competition, or on one made up for it, with a tiny net on the CPU, in a
folder that is thrown away. Each says how sure it is: a canary that could not have died is no canary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from grandmaster.competition.metrics import METRICS, score
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.pipeline import run
from grandmaster.pipeline.canary_data import (
    halves,
    small_part,
    split_pairs,
    with_copies,
    with_marks,
    with_shuffled_labels,
)
from grandmaster.pipeline.judging import Judge
from grandmaster.progress import Progress, SilentProgress
from grandmaster.settings import with_settings
from grandmaster.storage import read_jsonl

FOLDS = 3
PICTURES, TEST_PICTURES = 96, 12
# What the person's settings are overruled by: a net that learns by heart within seconds, and no chance that two runs
# differ in anything but what was planted.
SETTINGS = (
    "model.backbones=test_resnet",
    "model.pretrained=false",
    "model.image_size=32",
    "model.drop_rate=0",
    "model.drop_path=0",
    f"folds.count={FOLDS}",
    f"folds.train={FOLDS}",
    "training.learning_rate=0.02",
    "training.effective_batch=16",
    "training.micro_batch=16",
    "training.batch_norm=train",
    "training.ema_decay=0",
    "training.patience=0",
    "training.find_rate=false",
    "training.label_smoothing=0",
    "training.class_balance=off",
    "training.weight_decay=0",
    "augmentation.policy=none",
    "augmentation.trial=false",
    "augmentation.mix_probability=0",
    "inspect.shift_effort=0.1",
    "prediction.tta_views=1",
    "ensemble.bootstrap_rounds=100",
    "hardware.device=cpu",
    "hardware.precision=auto",
    "hardware.vram_gb=none",
    "hardware.workers=0",
    "hardware.threads=1",
    "run.time_limit=none",
    "run.keep_weights=full",
)
EPOCHS_BY_HEART = 24
"""After these the net knows its training pictures by heart, shuffled labels and all."""
KNOWN_BY_HEART = 0.5
"""Share of the first epoch's loss that the last must be below: else a leak would not have shown."""
GUESSES = 199
"""Random labellings that a score is compared with; better than all of them is called a leak: 1 false alarm in 200."""
WATCHED = 0
"""The fold that the watermark is planted in."""

Outcome = Literal["alive", "dead", "no power"]


@dataclass(frozen=True, kw_only=True)
class Canary:
    """What came of one.

    Attributes:
        what: was planted.
        outcome: "alive": nothing got through; "dead": something did; "no power": it could not have shown.
        result: what was measured.
        power: what it would have noticed.
    """

    name: str
    what: str
    outcome: Outcome
    result: str
    power: str


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where canaries are planted.

    Attributes:
        data_path: the competition's folder.
        config: the person's settings; what `SETTINGS` names is overruled.
        place: a folder for runs and pictures.
        pictures, test_pictures: how much of the competition is used.
    """

    data_path: Path
    config: Config
    place: Path
    progress: Progress = field(default_factory=SilentProgress)
    pictures: int = PICTURES
    test_pictures: int = TEST_PICTURES

    def run(
        self, name: str, change: Callable[[Competition], Competition], *changes: str, until: str
    ) -> run.RunContext:
        """A run of the changed part of the competition, as far as `until`; opened for reading."""
        request = run.RunRequest(
            data_path=self.data_path,
            run_folder=self.place / name,
            config=with_settings(self.config, [*SETTINGS, *changes]),
            mode="canary",
            command=f"--canary ({name})",
            until=until,
            change=lambda whole: change(self.part(whole)),
        )
        run.run_pipeline(request, SilentProgress())
        return run.open_context(request, SilentProgress())

    def part(self, whole: Competition) -> Competition:
        """What is used of the competition."""
        return small_part(whole, pictures=self.pictures, test_pictures=self.test_pictures)


def shuffled_labels(ground: Ground) -> Canary:
    """With labels shuffled over the training table, the out-of-fold score of the whole pipeline must be chance.

    Chance is what random labellings of the same predictions score: labels are exchanged within folds, which is exact
    where models know nothing of their fold's labels. Epochs are chosen on the validation pictures, so each fold of a
    random labelling is the best of as many draws as there were epochs (epochs that resemble each other gain less: this
    is on the safe side).
    """
    changes = (f"training.epochs={EPOCHS_BY_HEART}",)
    context = ground.run("shuffled_labels", with_shuffled_labels, *changes, until="ensemble")
    predictions = Predictions.load(context.folder / "ensemble" / "oof.npz")
    judge, metric = Judge(context), context.competition.metric
    found = judge.score(predictions)
    chance = _chance(judge, predictions, EPOCHS_BY_HEART)
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    best = sign * (sign * chance).max()
    learnt = _loss_left(context.folder)
    title = METRICS[metric].title
    outcome: Outcome = "alive"
    if sign * found > sign * best:
        outcome = "dead"
    elif learnt > KNOWN_BY_HEART:
        outcome = "no power"
    low, high = sorted(
        (float(np.quantile(sign * chance, 0.025)) * sign, float(np.quantile(sign * chance, 0.975)) * sign)
    )
    return Canary(
        name="shuffled labels",
        what="the training table's labels are shuffled; the whole pipeline must score chance",
        outcome=outcome,
        result=f"{title} {found:.3f}; chance {low:.3f} to {high:.3f}, the best of {GUESSES} random labellings {best:.3f}",
        power=(
            f"the net knew its training pictures by heart (loss down to {learnt:.0%} of the first epoch's): had they been "
            f"validated on, it would have scored far beyond {best:.3f}; 1 false alarm in {GUESSES + 1}"
            if learnt <= KNOWN_BY_HEART
            else f"the net did not learn its training pictures by heart (loss only down to {learnt:.0%}): a leak might not show"
        ),
    )


def _chance(judge: Judge, predictions: Predictions, choices: int) -> npt.NDArray[np.float64]:
    """(GUESSES,) scores of random labellings, in each fold the best of `choices`."""
    random = np.random.default_rng(0)
    judged, how = judge.rows(predictions), judge.how
    decisions = judge.decisions(judged)
    sign = 1.0 if METRICS[judge.metric].higher_is_better else -1.0

    def worth(rows: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
        decided = None if decisions is None else decisions[rows]
        return sign * score(judge.metric, truth, judged.values[rows], decisions=decided, **how)

    chosen: list[list[npt.NDArray[np.intp]]] = []
    for fold in np.unique(judged.folds):
        rows = np.flatnonzero(judged.folds == fold)
        orders = [random.permutation(rows) for _ in range(GUESSES)]
        worths = np.nan_to_num([worth(rows, judged.truth[order]) for order in orders], nan=-np.inf)
        best = [
            max(random.integers(0, GUESSES, choices), key=lambda place: worths[place]) for _ in range(GUESSES)
        ]
        chosen.append([orders[int(place)] for place in best])
    everywhere = np.argsort(
        np.concatenate([np.flatnonzero(judged.folds == fold) for fold in np.unique(judged.folds)])
    )
    whole = np.arange(len(judged.values))
    return np.array(
        [
            sign * worth(whole, judged.truth[np.concatenate(parts)[everywhere]])
            for parts in zip(*chosen, strict=True)
        ]
    )


def _loss_left(folder: Path) -> float:
    """Last training loss as a share of the first, the worst of the fits."""
    shares = []
    for path in sorted(folder.glob("fold_*/*/metrics.jsonl")):
        losses = [line["train_loss"] for line in read_jsonl(path)]
        shares.append(losses[-1] / max(abs(losses[0]), 1e-12))
    return max(shares)


def watermark(ground: Ground) -> Canary:
    """A mark in the pictures of one fold that tells their label: the model of that fold must not know of it.

    Two runs that differ in nothing but where the mark is: on the fold's pictures of one half of the targets, or on
    those of the other. A model that learnt from them, or from anything made of them (pseudo-labels, a teacher), differs
    in some bit of its weights; that of the fold itself must not. One epoch, so that there is no epoch to be chosen on
    the validation pictures.
    """
    known: dict[str, tuple[int, str]] = {}

    def planted(part: Competition, *, upper: bool) -> Competition:
        part = with_shuffled_labels(part)  # what the mark tells is then all that there is to learn
        if not known:
            return part
        wanted = dict(zip(part.train["id"], halves(part) == upper, strict=True))
        # By group, which is named after one of its pictures: marked alike, duplicates stay duplicates. And the groups
        # are said to be what they were: the mark must neither make duplicates nor unmake them.
        marked = [
            fold == WATCHED and wanted[group] for fold, group in (known[name] for name in part.train["id"])
        ]
        groups = [known[name][1] for name in part.train["id"]]
        told = replace(part, train=part.train.assign(group=groups))
        return with_marks(told, np.array(marked), ground.place / f"marked_{upper}")

    plain = ground.run("unmarked", partial(planted, upper=True), "training.epochs=1", until="plan")
    folds = plain.folds
    known |= dict(zip(folds["id"], zip(folds["fold"], folds["group"], strict=True), strict=True))
    runs = [
        ground.run(
            f"marked_{name}",
            partial(planted, upper=upper),
            "training.epochs=1",
            "inspect.duplicate_distance=0",
            until="ensemble",
        )
        for name, upper in (("one", True), ("other", False))
    ]
    what = f"a disc in pictures of fold {WATCHED} tells their label; its model must not depend on it"
    if any(not one.folds.equals(plain.folds) for one in runs):
        return Canary(
            name="watermark",
            what=what,
            outcome="no power",
            result="the mark changed which pictures are duplicates, and with them the folds",
            power="run --canary without --data_path: it then uses a competition of its own",
        )
    same = {fold: _equal_weights(runs[0].folder, runs[1].folder, fold) for fold in range(FOLDS)}
    others = [fold for fold in range(FOLDS) if fold != WATCHED]
    seeing = [fold for fold in others if not same[fold]]
    outcome: Outcome = "dead" if not same[WATCHED] else "alive" if seeing else "no power"
    differs = {True: "is the same to the last bit", False: "CHANGED"}[same[WATCHED]]
    return Canary(
        name="watermark",
        what=what,
        outcome=outcome,
        result=f"moving the mark to the pictures of the other labels: the model of fold {WATCHED} {differs}",
        power=(
            f"the models of folds {', '.join(map(str, seeing))}, which may see the mark, changed; a single bit is noticed"
            if seeing
            else "no model changed, not even of the folds that may see the mark: it was not seen at all"
        ),
    )


def _equal_weights(one: Path, other: Path, fold: int) -> bool:
    """Whether all models of a fold have the same weights, bit for bit."""
    files = sorted(path.relative_to(one) for path in (one / f"fold_{fold}").rglob("best.safetensors"))
    beside = sorted(path.relative_to(other) for path in (other / f"fold_{fold}").rglob("best.safetensors"))
    if files != beside:
        return False
    for name in files:
        first, second = load_file(one / name), load_file(other / name)
        if first.keys() != second.keys() or any(not np.array_equal(first[key], second[key]) for key in first):
            return False
    return True


def planted_duplicates(ground: Ground) -> Canary:
    """Copies of training pictures under new ids, rows and groups must share the fold and the group of their original."""
    place = ground.place / "copies"
    planted: list[Any] = []

    def copied(part: Competition) -> Competition:
        changed, copies = with_copies(part, place)
        planted[:] = copies
        return changed

    context = ground.run("planted_duplicates", copied, until="plan")
    ids, folds, groups = (context.folds[name].tolist() for name in ("id", "fold", "group"))
    split = split_pairs(
        tuple(planted), dict(zip(ids, folds, strict=True)), dict(zip(ids, groups, strict=True))
    )
    count, kinds = len(planted), sorted({pair.kind for pair in planted})
    shown = ", ".join(f"{pair.copy} ({pair.kind})" for pair in split[:4])
    return Canary(
        name="planted duplicates",
        what=f"{count} copies ({', '.join(kinds)}) in groups of their own; none may be split from its original",
        outcome="dead" if split else "alive",
        result=f"{len(split)} of {count} pairs are split" + (f": {shown}" if split else ""),
        power=f"without the guard about {count * (FOLDS - 1) / FOLDS:.0f} of {count} would be; none by chance once in "
        f"{FOLDS**count:,}",
    )


CANARIES: dict[str, Callable[[Ground], Canary]] = {
    "shuffled labels": shuffled_labels,
    "watermark": watermark,
    "planted duplicates": planted_duplicates,
}


def run_canaries(ground: Ground) -> Iterator[Canary]:
    """Every canary, each as soon as it is known.

    Raises:
        UserError: bad data, or too few pictures.
    """
    for name, canary in CANARIES.items():
        own = replace(ground, place=ground.place / name.replace(" ", "_"))
        ground.progress.start(name, 1)
        found = canary(own)
        ground.progress.finish(name, found.outcome)
        yield found
