"""Any competition folder -> one `Competition`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.description import FILE_NAME
from grandmaster.competition.extra_images import with_extra_images, without_extra_images
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.layouts import LAYOUTS, Evidence, Reading
from grandmaster.competition.metric_choice import default_metric
from grandmaster.competition.metrics import METRICS
from grandmaster.competition.table import Competition, SubmissionFormat
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.texts import counted


def read_competition(root: Path, config: DataConfig, *, lenient: bool = False) -> Competition:
    """Find out how a competition's files are laid out, and read them.

    The sample submission decides on column names, the order of rows and the form of an id. Ids and labels are
    kept exactly as written. Answers (`solution.csv` and the like) are never opened. What is found out wrongly, or
    not at all, is said in the folder's `competition.yaml` (see `competition.description`).

    Args:
        root: the folder that holds the competition's files.
        config: what is not to be found out; counts more than `competition.yaml`.
        lenient: ids without a picture get a path of which there is no file, instead of an error: for predicting a test set
            that nobody has seen, where training pictures may have been taken away too.

    Raises:
        UserError: no known layout fits (says what was found), something can be read in two ways (says the choices),
            or the data contradict themselves: ids without a picture or with two, repeated ids, empty cells, labels
            without a name.
    """
    folder = without_extra_images(CompetitionFolder.of(root, config))
    if lenient:
        folder = replace(folder, pictures=replace(folder.pictures, lenient=True))
    evidence = Evidence(folder=folder)
    wanted = folder.config.layout
    against: dict[str, list[str]] = {}
    for layout, way in LAYOUTS.items():
        if wanted not in (None, layout):
            continue
        try:
            reading = way.read(evidence)
        except NotThisLayout as reason:
            against.setdefault(str(reason), []).append(f"{layout} ({way.title})")
            continue
        return _competition(folder, layout, reading)
    tried = "; ".join(f"{' and '.join(layouts)}: {reason}" for reason, layouts in against.items())
    fix = f"Give the folder that holds train.csv, sample_submission.csv and the pictures, or a {FILE_NAME}."
    if not folder.pictures.pictures and folder.has("train") and folder.has("sample"):
        fix = "Unpack the competition's pictures into this folder."
    raise UserError(
        f"no known layout fits. Found: {folder.contents()}. Tried: {tried}", where=folder.root, fix=fix
    )


# Settings that mean something for these forms of a submission only.
BELONGS_TO: dict[str, tuple[SubmissionFormat, ...]] = {
    "top_k": ("ranked_labels",),
    "positive_class": ("one_probability",),
    "separator": ("label_set", "ranked_labels", "independent_probabilities"),
}


def _refuse_pointless(config: DataConfig, submission_format: SubmissionFormat, path: Path) -> None:
    """Refuse a setting that would be passed over without a word."""
    for name, forms in BELONGS_TO.items():
        if getattr(config, name) is not None and submission_format not in forms:
            raise UserError(
                f"{name} (data.{name}) means nothing here: the sample submission is read as {submission_format}",
                where=path,
                fix=f"Take it away, or set data.submission_format to {' or '.join(forms)}.",
            )


def _competition(folder: CompetitionFolder, layout: str, reading: Reading) -> Competition:
    targets, config = reading.targets, folder.config
    _refuse_pointless(config, targets.submission_format, reading.sample.path)
    asked = config.submission_format
    if asked is not None and asked != targets.submission_format:
        raise UserError(
            f"{asked} (data.submission_format) does not go with {targets.kind} targets and "
            f"{len(reading.sample.targets)} target columns",
            where=reading.sample.path,
            fix=f"It is read as {targets.submission_format}; data.kind may be meant.",
        )
    # Folds and seeds must not depend on the order in which somebody wrote the file.
    order = np.argsort(reading.train["id"].to_numpy(dtype=np.str_), kind="stable")
    train = reading.train.iloc[order].reset_index(drop=True)
    values = targets.targets[order]
    train, test, extra_lines = with_extra_images(folder, train, reading.test.reset_index(drop=True))
    understood = [
        *folder.said,
        f"layout {layout}: {LAYOUTS[layout].title}",
        *reading.understood,
        *extra_lines,
    ]
    understood.append(f"kind: {targets.kind}, handed in as {targets.submission_format.replace('_', ' ')}")
    counts: list[int] = []
    if targets.kind in ("multiclass", "ordinal"):
        labels = values.reshape(len(values)).astype(np.int64)
        train.insert(2, "label", labels)
        per_class = np.bincount(labels, minlength=len(targets.classes)).tolist()
        counts = [count for count in per_class if count]  # a one-hot column may have no picture
        understood.append(
            f"classes: the largest class has {counted(max(counts), 'picture')}, the smallest {min(counts)}"
        )
        single = [label for label, count in zip(targets.classes, per_class, strict=True) if count == 1]
        if single:
            understood.append(
                f"warning: {counted(len(single), 'class', 'has', 'have')} one picture only: {first_few(single)}"
            )
    metric, reason = default_metric(targets.kind, targets.submission_format, counts)
    if config.metric is not None:
        metric, reason = config.metric, "as the settings say"
    title = METRICS[metric].title if metric in METRICS else metric.replace("_", " ")
    understood.append(f"metric: {title}, {reason}")
    if (
        targets.submission_format == "hard_label"
        and metric in METRICS
        and not METRICS[metric].needs_labels_only
    ):
        understood.append(f"warning: {title} needs probabilities, but labels are submitted")
    return Competition(
        name=folder.root.name,
        root=folder.root,
        layout=layout,
        understood=tuple(understood),
        id_column=reading.sample.id_column,
        target_columns=reading.sample.targets,
        kind=targets.kind,
        classes=targets.classes,
        class_names=targets.class_names,
        train=train,
        targets=values,
        test=test,
        sample_submission=reading.sample.table.reset_index(drop=True),
        submission_format=targets.submission_format,
        metric=metric,
        metric_reason=reason,
        positive_class=targets.positive_class,
        top_k=targets.top_k,
        group_column=reading.group_column,
        separator=targets.separator,
        extra_images=config.extra_images or (),
    )
