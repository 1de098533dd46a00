"""Any competition folder -> one `Competition`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.layouts import LAYOUTS, Reading
from grandmaster.competition.metrics import METRICS
from grandmaster.competition.table import Competition
from grandmaster.config import DataConfig
from grandmaster.errors import UserError

# From here on the rarest class weighs too little in an average over pictures to be noticed.
IMBALANCED_RATIO = 1.5


def read_competition(root: Path, config: DataConfig) -> Competition:
    """Find out how a competition's files are laid out, and read them.

    The sample submission decides on column names, the order of rows and the form of an id. Ids and labels are
    kept exactly as written. Answers (`solution.csv` and the like) are never opened.

    Args:
        root: the folder that holds the competition's files.
        config: the metric and columns, where they are not to be found out.

    Raises:
        UserError: no known layout fits (says what was found), or the data contradict themselves: ids without a
            picture or with two, repeated ids, empty cells, labels without a name.
    """
    folder = CompetitionFolder.of(root, config)
    against: dict[str, list[str]] = {}
    for layout, way in LAYOUTS.items():
        try:
            reading = way.read(folder)
        except NotThisLayout as reason:
            against.setdefault(str(reason), []).append(f"{layout} ({way.title})")
            continue
        return _competition(folder, layout, reading)
    tried = "; ".join(f"{' and '.join(layouts)}: {reason}" for reason, layouts in against.items())
    fix = "Give the folder that holds train.csv, sample_submission.csv and the pictures."
    if not folder.pictures.pictures and folder.has("train") and folder.has("sample"):
        fix = "Unpack the competition's pictures into this folder."
    raise UserError(
        f"no known layout fits. Found: {folder.contents()}. Tried: {tried}", where=folder.root, fix=fix
    )


def _competition(folder: CompetitionFolder, layout: str, reading: Reading) -> Competition:
    position = {label: place for place, label in enumerate(reading.classes)}
    train = reading.train.assign(label=reading.train["label"].map(position).astype("int64"))
    # Folds and seeds must not depend on the order in which somebody wrote the file.
    train = train.sort_values("id", kind="stable", ignore_index=True).assign(
        group=lambda table: table["id"], row=lambda table: table["id"]
    )
    per_class = np.bincount(train["label"], minlength=len(reading.classes)).tolist()
    counts = [count for count in per_class if count]  # a one-hot column may have no picture
    metric, reason = _metric(folder.config, reading, counts)
    title = METRICS[metric].title
    balance = f"the largest class has {max(counts)} pictures, the smallest {min(counts)}"
    understood = [
        f"layout {layout}: {LAYOUTS[layout].title}",
        *reading.understood,
        f"classes: {balance}",
        f"metric: {title}, {reason}",
    ]
    single = [label for label, count in zip(reading.classes, per_class, strict=True) if count == 1]
    if single:
        understood.append(f"warning: {len(single)} classes have one picture only: {first_few(single)}")
    if reading.submission_format == "hard_label" and not METRICS[metric].needs_labels_only:
        understood.append(f"warning: {title} needs probabilities, but labels are submitted")
    return Competition(
        name=folder.root.name,
        root=folder.root,
        layout=layout,
        understood=tuple(understood),
        id_column=reading.id_column,
        target_columns=reading.target_columns,
        classes=reading.classes,
        class_names=reading.class_names,
        train=train,
        targets=train["label"].to_numpy(np.int64),
        test=reading.test.assign(row=reading.test["id"]),
        sample_submission=reading.sample_submission,
        submission_format=reading.submission_format,
        metric=metric,
        metric_reason=reason,
    )


def _metric(config: DataConfig, reading: Reading, counts: Sequence[int]) -> tuple[str, str]:
    """The metric's name, and why this one."""
    if config.metric is not None:
        return config.metric, "as the settings say"
    if reading.submission_format == "class_probabilities":
        return "log_loss", "chosen because probabilities of classes are submitted (data.metric names another)"
    ratio = max(counts) / min(counts)
    if ratio >= IMBALANCED_RATIO:
        why = (
            f"chosen because labels are submitted and the largest class has {ratio:.1f} times the pictures of the "
            "smallest: every class counts alike"
        )
    else:
        why = "chosen because labels are submitted; with classes of similar size it stays close to accuracy"
    return "macro_f1", f"{why} (data.metric names another)"
