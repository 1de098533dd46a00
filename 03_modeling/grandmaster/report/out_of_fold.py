"""What the out-of-fold predictions say: confusions, scores of each class, mistakes and close calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grandmaster.competition.metrics import confusion, per_class_scores
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.table import Competition
from grandmaster.report.pictures import SIDE, thumbnail
from grandmaster.report.truth import target_places

LARGEST_MATRIX = 30
"""Most classes of which a confusion matrix is still readable."""
MOST_CLASS_ROWS = 60
MOST_PAIRS = 12
MOST_WORST = 24
MOST_CLOSE_CALLS = 12
MOST_CELLS = 40
MOST_IN_CELL = 6
CELL_SIDE = 112
"""Cells of the confusion matrix that open their pictures, how many of each, and their longer side, px."""
SURE = 0.9
"""A wrong answer given with more than this is more often a wrong label than a hard picture."""


@dataclass(frozen=True, kw_only=True)
class ClassName:
    """A class on the page: a short code (the label, or its index where labels are long) and a name."""

    code: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """One line of the table of classes; None where nothing can be said (no picture of the class)."""

    name: ClassName
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, kw_only=True)
class ConfusedPair:
    """Pictures of one class taken for another; `share` is of the true class, `places` are those of the classes."""

    places: tuple[int, int]
    truth: ClassName
    predicted: ClassName
    count: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One validation picture and what was said about it.

    Attributes:
        confidence: probability of the predicted class.
        truth_probability: probability of the true class.
        loss: -ln of it (0: sure and right).
        runner_up: the class in second place.
        margin: lead of the predicted class over it.
        picture: `data:` URI, or None if the file cannot be read any more.
    """

    id: str
    truth: ClassName
    predicted: ClassName
    runner_up: ClassName
    confidence: float
    truth_probability: float
    loss: float
    margin: float
    picture: str | None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Pictures of one class that were taken for another: what a cell of the matrix opens.

    Attributes:
        anchor: its place in the page.
        count: of all of them; `shown` are the surest.
    """

    anchor: str
    truth: ClassName
    predicted: ClassName
    count: int
    shown: tuple[Judged, ...]


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """The section about out-of-fold predictions.

    Attributes:
        cells: by places of truth and prediction among `names`.
    """

    images: int
    right: int
    names: tuple[ClassName, ...]
    matrix: npt.NDArray[np.int64] | None
    classes: tuple[ClassScore, ...]
    classes_left_out: int
    pairs: tuple[ConfusedPair, ...]
    pairs_in_all: int
    cells: dict[tuple[int, int], Cell]
    worst: tuple[Judged, ...]
    sure_and_wrong: int
    close_calls: tuple[Judged, ...]


def class_names(competition: Competition) -> tuple[ClassName, ...]:
    """Codes and names of all classes, in the frozen order."""
    short = all(len(label) <= 3 for label in competition.classes)
    return tuple(
        ClassName(code=label if short else str(index), name=name)
        for index, (label, name) in enumerate(zip(competition.classes, competition.class_names, strict=True))
    )


def judge(predictions: Predictions, competition: Competition) -> OutOfFold:
    """Compare blended out-of-fold predictions with the labels.

    Raises:
        UserError: the predictions are of another competition (other classes or ids).
    """
    labels = competition.targets[target_places(predictions, competition)].astype(np.int64)
    names = class_names(competition)
    # float64 before anything is compared: two float32 that print alike must not change places
    probabilities = predictions.values.astype(np.float64)
    n_classes = len(names)
    matrix = confusion(labels, probabilities, n_classes)
    classes = _class_scores(labels, probabilities, names)
    pairs = _pairs(matrix, names)
    predicted = probabilities.argmax(axis=1)
    wrong = predicted != labels
    confidence = probabilities[np.arange(len(labels)), predicted]

    of_truth = probabilities[np.arange(len(labels)), labels]
    ordered = np.sort(probabilities, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    ids = np.array(predictions.ids, dtype=object)
    # ids break ties, so that the same predictions always give the same page
    hardest = [row for row in np.lexsort((ids, of_truth)) if wrong[row]][:MOST_WORST]
    closest = np.lexsort((ids, margin))[:MOST_CLOSE_CALLS]
    paths = dict(zip(competition.train["id"], competition.train["path"], strict=True))

    def judged(row: int, side: int = SIDE) -> Judged:
        # stable sort of the negated row: ties fall as argmax lets them fall, on the lower class
        first, second = np.argsort(-probabilities[row], kind="stable")[:2]
        chance = float(of_truth[row])
        return Judged(
            id=predictions.ids[row],
            truth=names[labels[row]],
            predicted=names[first],
            runner_up=names[second],
            confidence=float(confidence[row]),
            truth_probability=chance,
            loss=-float(np.log(chance)) if chance > 0 else float("inf"),
            margin=float(margin[row]),
            picture=thumbnail(paths[predictions.ids[row]], side),
        )

    cells = {}
    for truth, said in _fullest_cells(matrix):
        inside = np.flatnonzero((labels == truth) & (predicted == said))
        surest = inside[np.lexsort((ids[inside], -confidence[inside]))]
        cells[truth, said] = Cell(
            anchor=f"confused-{truth}-{said}",
            truth=names[truth],
            predicted=names[said],
            count=len(inside),
            shown=tuple(judged(int(row), CELL_SIDE) for row in surest[:MOST_IN_CELL]),
        )

    return OutOfFold(
        images=len(labels),
        right=int((~wrong).sum()),
        names=names,
        matrix=matrix if n_classes <= LARGEST_MATRIX else None,
        classes=tuple(classes[:MOST_CLASS_ROWS]),
        classes_left_out=max(0, len(classes) - MOST_CLASS_ROWS),
        pairs=tuple(pairs[:MOST_PAIRS]),
        pairs_in_all=len(pairs),
        cells=cells,
        worst=tuple(judged(int(row)) for row in hardest),
        sure_and_wrong=int((wrong & (confidence > SURE)).sum()),
        close_calls=tuple(judged(int(row)) for row in closest),
    )


def _class_scores(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64], names: tuple[ClassName, ...]
) -> list[ClassScore]:
    """Scores of each class, the weakest first; classes without a validation picture last."""
    table = per_class_scores(labels, probabilities, len(names))
    rows = []
    for name, (precision, recall, f1, support) in zip(
        names,
        table[["precision", "recall", "f1", "support"]].itertuples(index=False),
        strict=True,
    ):
        seen = support > 0
        rows.append(
            ClassScore(
                name=name,
                precision=float(precision) if seen else None,
                recall=float(recall) if seen else None,
                f1=float(f1) if seen else None,
                support=int(support),
            )
        )
    return sorted(rows, key=lambda row: 2.0 if row.f1 is None else row.f1)


def _pairs(matrix: npt.NDArray[np.int64], names: tuple[ClassName, ...]) -> list[ConfusedPair]:
    """All confusions that happened, the most frequent first, then the larger share of its class."""
    of_class = matrix.sum(axis=1)
    found = [
        ConfusedPair(
            places=(int(truth), int(predicted)),
            truth=names[truth],
            predicted=names[predicted],
            count=int(matrix[truth, predicted]),
            share=float(matrix[truth, predicted] / of_class[truth]),
        )
        for truth, predicted in np.argwhere(matrix > 0)
        if truth != predicted
    ]
    return sorted(found, key=lambda pair: (-pair.count, -pair.share))


def _fullest_cells(matrix: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Places of the confusions that happened most, in the order of the matrix where they are equal."""
    off = matrix.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off.ravel(), kind="stable")[:MOST_CELLS]
    return [divmod(int(place), len(matrix)) for place in order if off.ravel()[place]]
