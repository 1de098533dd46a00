"""Which metric a competition most likely scores with, where nobody says."""

from __future__ import annotations

from collections.abc import Sequence

from grandmaster.competition.table import SubmissionFormat, TargetKind

# From here on the rarest class weighs too little in an average over pictures to be noticed.
IMBALANCED_RATIO = 1.5


def default_metric(
    kind: TargetKind, submission_format: SubmissionFormat, counts: Sequence[int] = ()
) -> tuple[str, str]:
    """The metric's name, and why this one.

    Args:
        kind: of the targets.
        submission_format: what is handed in.
        counts: pictures of each class that has any; for classes.

    Returns:
        A name as in `config.MetricName`, and a reason that reads on from "metric: ...,".
    """
    if submission_format == "hard_label" and kind == "multiclass":
        name, why = "macro_f1", _why_macro_f1(counts)
    else:
        name, why = {
            "hard_label": ("macro_f1", "labels are submitted"),
            "class_probabilities": ("log_loss", "probabilities of classes are submitted"),
            "independent_probabilities": (
                "macro_roc_auc",
                "a probability of each label is submitted: how well each column orders the pictures",
            ),
            "one_probability": (
                "roc_auc",
                "one probability is submitted: how well it orders the pictures",
            ),
            "real_number": ("rmse", "an estimated value is submitted"),
            "ordinal_label": (
                "quadratic_weighted_kappa",
                "grades are submitted: an error counts with its distance",
            ),
            "label_set": ("sample_f1", "sets of labels are submitted: F1 of each row's set"),
            "ranked_labels": ("map_at_k", "ranked labels are submitted: the place of the right one counts"),
        }[submission_format]
    return name, f"chosen because {why} (data.metric names another)"


def _why_macro_f1(counts: Sequence[int]) -> str:
    ratio = max(counts, default=1) / min(counts, default=1)
    if ratio >= IMBALANCED_RATIO:
        return (
            f"labels are submitted and the largest class has {ratio:.1f} times the pictures of the smallest: every "
            "class counts alike"
        )
    return "labels are submitted; with classes of similar size it stays close to accuracy"
