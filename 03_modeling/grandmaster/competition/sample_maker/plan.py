"""Which pictures a sample competition has: ids, classes, near-duplicates and wrong labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grandmaster.competition.sample_maker.words import CLASS_NAMES

TRAIN, TEST = 0, 1
# The original has 100 training pictures of a class, but of these three fewer.
SHARES = np.array([{1: 46, 13: 74, 14: 50}.get(index, 100) for index in range(len(CLASS_NAMES))])
FEWEST = 6  # pictures of a class, so that five folds can each hold one
# Classes that the original's annotators confused, and how much of its wrong labels each pair took.
CONFUSED = ((3, 7), (4, 14), (7, 14), (6, 10))
CONFUSED_SHARES = (0.4, 0.3, 0.2, 0.1)
WRONG_SHARE = 0.005  # of training labels
NEAR_DUPLICATE_SHARE = 0.008  # of training pictures show the page of another one


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture to render.

    Attributes:
        split: `TRAIN` or `TEST`.
        index: its number within the split; with the seed and the split, all its chance.
        kind: class that is drawn.
        label: class that the table of labels gives; differs from `kind` where the label is wrong.
        page: index of the picture whose page it shows: its own, or of the one it nearly duplicates.
    """

    split: int
    index: int
    kind: int
    label: int
    page: int

    def file_name(self, seed: int) -> str:
        """16 hex digits and `.jpg`; they tell nothing about the class."""
        text = f"sample/{seed}/{self.split}/{self.index}"
        return hashlib.sha256(text.encode()).hexdigest()[:16] + ".jpg"


def class_counts(images: int) -> npt.NDArray[np.int64]:
    """Pictures of each class, shape (17,), that sum to `images` and keep the original's imbalance.

    Largest remainders; then every class gets at least `FEWEST` (or an equal share, where that is less).
    """
    exact = SHARES * images / SHARES.sum()
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: images - counts.sum()]] += 1
    fewest = min(FEWEST, images // len(counts))
    while counts.min() < fewest:
        counts[counts.argmax()] -= 1
        counts[counts.argmin()] += 1
    return counts


def training_pictures(images: int, seed: int) -> list[Picture]:
    """The training split: 0.8 % near-duplicates of other pictures, 0.5 % wrong labels.

    Labels are wrong in pairs (two pictures of two classes that look alike swap theirs), which keeps the
    number of pictures of each class.
    """
    generator = np.random.default_rng((seed, TRAIN))
    kinds = np.repeat(np.arange(len(CLASS_NAMES)), class_counts(images))
    labels, pages = kinds.copy(), np.arange(images)
    for index in generator.permutation(images)[: round(NEAR_DUPLICATE_SHARE * images)]:
        twins = np.flatnonzero((kinds == kinds[index]) & (pages == np.arange(images)))
        twins = twins[twins != index]
        if len(twins) and (pages == index).sum() == 1:  # nobody shows its page already
            pages[index] = generator.choice(twins)
    for _ in range(round(WRONG_SHARE * images / 2)):
        pair = CONFUSED[generator.choice(len(CONFUSED), p=CONFUSED_SHARES)]
        one, other = (generator.choice(np.flatnonzero((kinds == kind) & (labels == kind))) for kind in pair)
        labels[one], labels[other] = labels[other], labels[one]
    return [
        Picture(split=TRAIN, index=index, kind=int(kind), label=int(label), page=int(page))
        for index, (kind, label, page) in enumerate(zip(kinds, labels, pages, strict=True))
    ]


def hidden_pictures(images: int) -> list[Picture]:
    """The test split: classes as in training, every label right."""
    kinds = np.repeat(np.arange(len(CLASS_NAMES)), class_counts(images))
    return [
        Picture(split=TEST, index=index, kind=int(kind), label=int(kind), page=index)
        for index, kind in enumerate(kinds)
    ]
