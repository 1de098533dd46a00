"""Which metrics there are, and what each can score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from grandmaster.competition import metric_formulas as formulas
from grandmaster.competition.table import TargetKind

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One way to score.

    Attributes:
        name: the key in `METRICS`.
        title: for people.
        kinds: kinds of targets that it can score.
        takes: what is compared with the truth. "decisions": classes, grades or label sets. "values": what a model
            says. "positive": the probability of a binary target's positive class. "ranking": the order of classes.
        higher_is_better: False for a loss.
        point: (truth, predictions) -> value, both as `metric_formulas` wants them.
        terms: (truth, predictions) -> (n, k) contributions of the pictures, whose weighted sums decide; or None.
        from_sums: (r, k) weighted sums of the terms -> (r,) values.
        resampled: where no sums of contributions decide: (truth, predictions, weights (n, r)) -> (r,) values.
    """

    name: str
    title: str
    kinds: tuple[TargetKind, ...]
    takes: Literal["decisions", "values", "positive", "ranking"]
    higher_is_better: bool = True
    point: Callable[[Array, Array], float]
    terms: Callable[[Array, Array], Floats] | None = None
    from_sums: Callable[[Floats], Floats] = formulas.mean
    resampled: Callable[[Array, Array, Floats], Floats] | None = None

    @property
    def needs_labels_only(self) -> bool:
        """Whether decisions are all that counts."""
        return self.takes == "decisions"


_LABELS: tuple[TargetKind, ...] = ("multiclass", "multilabel", "ordinal")
_GRADES: tuple[TargetKind, ...] = ("multiclass", "ordinal")
_NUMBERS: tuple[TargetKind, ...] = ("ordinal", "regression")


def _registry(*metrics: Metric) -> dict[str, Metric]:
    named = {metric.name: metric for metric in metrics}
    assert len(named) == len(metrics), "a metric is there twice"
    return named


METRICS: dict[str, Metric] = _registry(
    Metric(
        name="macro_f1",
        title="macro F1",
        kinds=_LABELS,
        takes="decisions",
        point=partial(formulas.f1_point, "macro"),
        terms=formulas.label_terms,
        from_sums=formulas.macro_f1,
    ),
    Metric(
        name="micro_f1",
        title="micro F1",
        kinds=_LABELS,
        takes="decisions",
        point=partial(formulas.f1_point, "micro"),
        terms=formulas.label_terms,
        from_sums=formulas.micro_f1,
    ),
    Metric(
        name="weighted_f1",
        title="weighted F1",
        kinds=_LABELS,
        takes="decisions",
        point=partial(formulas.f1_point, "weighted"),
        terms=formulas.label_terms,
        from_sums=formulas.weighted_f1,
    ),
    Metric(
        name="sample_f1",
        title="mean F1 of label sets",
        kinds=("multilabel",),
        takes="decisions",
        point=formulas.sample_f1_point,
        terms=formulas.sample_f1_terms,
    ),
    Metric(
        name="accuracy",
        title="accuracy",
        kinds=_LABELS,
        takes="decisions",
        point=formulas.accuracy_point,
        terms=formulas.accuracy_terms,
    ),
    Metric(
        name="balanced_accuracy",
        title="balanced accuracy",
        kinds=_GRADES,
        takes="decisions",
        point=formulas.balanced_accuracy_point,
        terms=formulas.label_terms,
        from_sums=formulas.balanced_accuracy,
    ),
    Metric(
        name="quadratic_weighted_kappa",
        title="quadratic weighted kappa",
        kinds=_GRADES,
        takes="decisions",
        point=formulas.kappa_point,
        terms=formulas.kappa_terms,
        from_sums=formulas.kappa,
    ),
    Metric(
        name="log_loss",
        title="log loss",
        kinds=("multiclass", "multilabel"),
        takes="values",
        higher_is_better=False,
        point=formulas.log_loss_point,
        terms=formulas.log_loss_terms,
    ),
    Metric(
        name="roc_auc",
        title="ROC AUC",
        kinds=("multiclass",),
        takes="positive",
        point=formulas.auc_point,
        resampled=formulas.auc_resampled,
    ),
    Metric(
        name="macro_roc_auc",
        title="mean ROC AUC of the columns",
        kinds=("multiclass", "multilabel"),
        takes="values",
        point=formulas.auc_point,
        resampled=formulas.auc_resampled,
    ),
    Metric(
        name="pf1",
        title="probabilistic F1",
        kinds=("multiclass",),
        takes="positive",
        point=formulas.pf1_point,
        terms=formulas.pf1_terms,
        from_sums=formulas.pf1,
    ),
    Metric(
        name="map_at_k",
        title="mean average precision at k",
        kinds=("multiclass",),
        takes="ranking",
        point=formulas.precision_at_rank_point,
        terms=formulas.precision_at_rank_terms,
    ),
    Metric(
        name="rmse",
        title="RMSE",
        kinds=_NUMBERS,
        takes="values",
        higher_is_better=False,
        point=formulas.rmse_point,
        terms=formulas.rmse_terms,
        from_sums=formulas.rmse,
    ),
    Metric(
        name="mae",
        title="MAE",
        kinds=_NUMBERS,
        takes="values",
        higher_is_better=False,
        point=formulas.mae_point,
        terms=formulas.mae_terms,
    ),
)


def why_not(metric: str, kind: TargetKind, outputs: int) -> str | None:
    """Why a metric of `METRICS` cannot score such targets, in one clause; None where it can.

    Args:
        outputs: numbers that a model gives for each picture.
    """
    entry = METRICS[metric]
    if kind not in entry.kinds:
        return f"{entry.title} scores {' or '.join(entry.kinds)} targets, these are {kind}"
    if entry.takes == "positive" and outputs != 2:
        return f"{entry.title} is for two classes, there are {outputs}"
    return None
