"""Out-of-fold pictures of known truth, without any files: what choices are tried on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from grandmaster.competition.objective import Objective

FORMS = {
    "macro_f1": ("multiclass", "hard_label"),
    "accuracy": ("multiclass", "hard_label"),
    "log_loss": ("multiclass", "class_probabilities"),
    "roc_auc": ("multiclass", "one_probability"),
    "pf1": ("multiclass", "one_probability"),
    "sample_f1": ("multilabel", "label_set"),
    "macro_roc_auc": ("multilabel", "independent_probabilities"),
    "quadratic_weighted_kappa": ("ordinal", "ordinal_label"),
    "rmse": ("regression", "real_number"),
}


def made(metric: str, *, count: int = 400, classes: int = 4, folds: int = 5, seed: int = 0) -> Objective:
    """Random truth for the metric's kind of target; every picture a row and a group of its own."""
    rng = np.random.default_rng(seed)
    kind, form = FORMS[metric]
    classes = 2 if form == "one_probability" else classes
    targets: Any = rng.integers(0, classes, count)
    if kind == "multilabel":
        targets = (rng.random((count, classes)) < 0.3).astype(np.float32)
    elif kind == "ordinal":
        targets = targets[:, None].astype(np.float32)
    elif kind == "regression":
        targets = rng.normal(10, 2, (count, 1)).astype(np.float32)
    outputs = tuple(map(str, range(classes if kind in ("multiclass", "multilabel") else 1)))
    names = np.array([f"id{number:05d}" for number in range(count)], object)
    competition: Any = SimpleNamespace(
        kind=kind,
        metric=metric,
        submission_format=form,
        classes=tuple(map(str, range(classes))),
        outputs=outputs,
        top_k=1,
        positive_class=1,
    )
    return Objective(competition, targets, row_of=names, folds=np.arange(count) % folds, groups=names)


def said(
    objective: Objective, skills: list[float], *, own: float = 1.0, shared: float = 0.7, seed: int = 1
) -> Any:
    """float32 (m, n, c): predictions as good as their skill, with errors of their own and errors that all share."""
    rng = np.random.default_rng(seed)
    kind, targets = objective.competition.kind, objective.targets
    wide = (len(targets), len(objective.competition.outputs))
    in_common = shared * rng.normal(size=wide)
    found = []
    for skill in skills:
        wrong = in_common + own * rng.normal(size=wide)
        if kind == "multiclass":
            logits = skill * np.eye(wide[1])[targets] + wrong
            values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        elif kind == "multilabel":
            values = 1 / (1 + np.exp(-(skill * (2 * targets - 1) + wrong)))
        else:
            values = targets + wrong / skill
        found.append(values)
    return np.stack(found).astype(np.float32)
