"""What the pictures of each class are like."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from grandmaster.competition.table import Competition
from grandmaster.eda.statistics import summarise

# With thousands of ids as classes, each of a handful of pictures, a summary a class is longer than the pictures' own
# table; the largest classes are the ones that can be told apart from chance.
MOST_CLASSES = 200
_KEPT = ("mean", "std", "q05", "q50", "q95")
_DIGITS = 5  # significant


def class_statistics(
    competition: Competition, values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Summary of each class, the largest first where there are more than `MOST_CLASSES`.

    Args:
        competition: for its targets; a picture with several labels counts for each of them.
        values: statistics (m, k) of the readable training pictures.
        rows: their rows in `competition.train`, (m,).

    Returns:
        {"classes_left_out": how many have no entry, "classes": {label: {"count": readable pictures, "statistics":
        {name: {"mean", "std", "q05", "q50", "q95"}}}}}, in the order of `competition.classes`. No classes where the
        target is a number.
    """
    if competition.kind == "regression":
        return {"classes_left_out": 0, "classes": {}}
    targets = competition.targets[rows]
    count = len(competition.classes)
    several = competition.kind == "multilabel"
    index = np.empty(0, np.int64) if several else targets.reshape(len(targets)).astype(np.int64)
    sizes = (targets > 0.5).sum(axis=0) if several else np.bincount(index, minlength=count)
    shown = np.sort(np.argsort(-sizes, kind="stable")[:MOST_CLASSES])
    classes = {
        competition.classes[number]: {
            "count": int(sizes[number]),
            "statistics": {
                name: {key: _rounded(summary[key]) for key in _KEPT}
                for name, summary in summarise(values[members]).items()
            },
        }
        for number in shown.tolist()
        for members in [targets[:, number] > 0.5 if several else index == number]
    }
    return {"classes_left_out": count - len(shown), "classes": classes}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
