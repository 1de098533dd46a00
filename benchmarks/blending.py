"""What is a blend's score worth: on the pictures that it was fitted on, nested, and in truth?

Models of known truth are made up with numpy: each sees the classes through errors of its own and errors that all share.
Every way of blending is fitted on a few hundred out-of-fold pictures and scored three times: on the same pictures (in
sample), nested as a run does it, and on 20,000 pictures that nobody saw. "auto" is what a run would choose, picture by
picture of the parts (nested) and for the test set (true). For log loss everything is calibrated by a temperature of its own, as in a run
(in sample: fitted there), but the row that says so. Means over seeds, with the standard error of the true score.

    python benchmarks/blending.py [--seeds 4]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from grandmaster.competition.objective import Objective
from grandmaster.prediction.blend_choice import choose_blend
from grandmaster.prediction.blend_methods import METHODS
from grandmaster.prediction.calibration import calibrated, fit_temperature, nested_temperatures, tempered
from grandmaster.storage import write_csv

RESULTS = Path(__file__).resolve().parent / "results" / "blending.csv"
CLASSES, FOLDS, HIDDEN = 6, 5, 20_000
# Skill of every model (the logit of the true class), pictures to choose on.
CASES: dict[str, tuple[list[float], int]] = {
    "7 alike": ([1.5] * 7, 600),
    "7 alike, few pictures": ([1.5] * 7, 150),
    "2 good, 5 poor": ([2.0, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5], 600),
    "1 good, 2 poor": ([2.0, 0.3, 0.3], 600),
    "35 of all sorts": (list(np.linspace(0.6, 1.6, 35)), 600),
}
METRICS = ("macro_f1", "log_loss")


def make(
    skills: list[float], count: int, metric: str, seed: int
) -> tuple[Objective, npt.NDArray[np.float32]]:
    """Pictures with their truth, and what every model says of them, (m, n, c)."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(CLASSES, count, p=np.arange(1, CLASSES + 1) / np.arange(1, CLASSES + 1).sum())
    shared = rng.normal(size=(count, CLASSES))
    members = []
    for skill in skills:
        logits = skill * np.eye(CLASSES)[truth] + 0.7 * shared + rng.normal(size=(count, CLASSES))
        chance = np.exp(1.3 * logits)  # surer than they should be, as nets are
        members.append(chance / chance.sum(axis=1, keepdims=True))
    names = np.arange(count).astype(str).astype(object)
    competition: Any = SimpleNamespace(
        kind="multiclass",
        metric=metric,
        submission_format="hard_label" if metric == "macro_f1" else "class_probabilities",
        classes=tuple(map(str, range(CLASSES))),
        outputs=tuple(map(str, range(CLASSES))),
        top_k=1,
        positive_class=1,
    )
    objective = Objective(competition, truth, row_of=names, folds=np.arange(count) % FOLDS, groups=names)
    return objective, np.stack(members).astype(np.float32)


def one(case: str, metric: str, seed: int) -> list[dict[str, Any]]:
    """Every method on one drawing of models and pictures."""
    skills, count = CASES[case]
    objective, seen = make(skills, count, metric, seed)
    hidden, unseen = make(skills, HIDDEN, metric, seed + 10_000)
    sign = 1.0 if objective.metric.higher_is_better else -1.0
    began = time.perf_counter()
    choice = choose_blend(lambda part: seen, objective, tuple(METHODS))
    seconds = time.perf_counter() - began
    rows = []

    def row(
        name: str, fitted: Any, nested: npt.NDArray[np.float32], *, soften: bool = metric == "log_loss"
    ) -> None:
        in_sample, true = fitted.apply(seen), fitted.apply(unseen)
        if soften:
            temperatures = nested_temperatures(objective, nested)
            if (
                name == "auto"
            ):  # some methods are surer than others: each part's temperature is that of its own
                own_method = {
                    None: choice.name,
                    **{part: taken for part, (taken, _) in choice.by_part.items()},
                }
                of_method = {
                    taken: nested_temperatures(objective, choice.tried[taken])
                    for taken in set(own_method.values())
                }
                temperatures = {part: of_method[taken][part] for part, taken in own_method.items()}
            nested = calibrated("multiclass", nested, temperatures, objective.part)
            true = tempered("multiclass", true, temperatures[None])
            own = fit_temperature("multiclass", objective.targets, in_sample)
            in_sample = tempered("multiclass", in_sample, own)
        rows.append(
            {
                "case": case,
                "metric": metric,
                "method": name,
                "in_sample": sign * objective.scored(in_sample).without(),
                "nested": sign * objective.scored(nested).without(),
                "true": sign * hidden.scored(true).without(),
                "chosen": "",
                "seconds": np.nan,
            }
        )

    for name, nested in choice.tried.items():
        row(name, METHODS[name].fit(seen, objective, frozenset()), nested)
    if metric == "log_loss":
        row(
            "mean, not calibrated",
            METHODS["mean"].fit(seen, objective, frozenset()),
            choice.tried["mean"],
            soften=False,
        )
    row("auto", choice.fitted, choice.nested(lambda part: seen, objective.part))
    rows[-1] |= {"chosen": choice.name, "seconds": seconds}
    return rows


def main() -> None:
    """Print the table and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=4)
    seeds = parser.parse_args().seeds
    found = []
    with threadpool_limits(1):  # small matrices: threads would wait for each other
        for case in CASES:
            for metric in METRICS:
                found += [row for seed in range(seeds) for row in one(case, metric, seed)]
                print(f"{case}, {metric}", file=sys.stderr, flush=True)
    keys = ["case", "metric", "method"]
    by = pd.DataFrame(found).groupby(keys, sort=False)
    table = by[["in_sample", "nested", "true"]].mean()
    table["true_se"] = by["true"].sem()
    table["chosen"] = by["chosen"].agg(
        lambda names: ", ".join(
            f"{name} {count}" for name, count in names[names != ""].value_counts().items()
        )
    )
    table["seconds"] = by["seconds"].mean().round(2)
    table = table.round({"in_sample": 4, "nested": 4, "true": 4, "true_se": 4}).reset_index()
    print(table.to_string(index=False))
    write_csv(RESULTS, table)


if __name__ == "__main__":
    main()
