"""Which columns of the training table hold what is to be predicted, and what several columns say together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.description import ambiguous
from grandmaster.competition.folder import NotThisLayout
from grandmaster.competition.label_cells import find_separator, read_cells
from grandmaster.competition.labels import one_hot_labels
from grandmaster.competition.sample_form import SampleForm, numbers, split_labels
from grandmaster.competition.table import SubmissionFormat
from grandmaster.competition.targets import TargetReading, TrainingTable, in_given_order
from grandmaster.config import DataConfig
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted


def read_targets(
    training: TrainingTable, sample: SampleForm, config: DataConfig, root: Path
) -> TargetReading:
    """Find the columns that hold the targets, and read them.

    Args:
        training: the training table.
        sample: decides on the form of what is handed in.
        config: what is known beforehand.
        root: the competition's folder, where a name map may lie.

    Raises:
        NotThisLayout: there are no such columns, or the sample asks for something else than they hold.
        UserError: the settings name an unknown column, cells are empty or contradict each other, or what is asked
            for cannot be told (names the choices).
    """
    table, targets = training.table, sample.targets
    for column in config.target_columns or ():
        if column not in table.columns:
            raise UserError(
                f"there is no column {column!r} (data.target_columns)",
                where=training.path,
                fix=did_you_mean(column, table.columns),
            )
    if config.target_columns is not None and len(config.target_columns) > 1:
        return _several_columns(training, config.target_columns, sample, config)
    if config.target_columns is None and len(targets) > 1 and set(targets) <= set(table.columns):
        return _several_columns(training, targets, sample, config)
    column = config.target_columns[0] if config.target_columns else _label_column(training, sample)
    return read_cells(training, column, sample, config, root)


def _label_column(training: TrainingTable, sample: SampleForm) -> str:
    """The one column that holds the label or value of each picture.

    Raises:
        NotThisLayout: none does.
        UserError: several may.
    """
    if training.label_column is not None:
        return training.label_column
    table, targets = training.table, sample.targets
    others = [column for column in table.columns if column != training.id_column]
    if len(targets) == 1 and targets[0] in others:
        return targets[0]
    if len(others) == 1:
        return others[0]
    fitting = [column for column in others if _fits_sample(table[column].tolist(), column, sample)]
    if len(fitting) > 1:
        raise ambiguous(
            f"columns {first_few(fitting)} may each hold the labels",
            training.path,
            [(f"target_columns: [{column}]", "this one") for column in fitting[:3]],
        )
    if not fitting:
        raise NotThisLayout(
            f"no label column was found in {training.path.name} for the sample's {first_few(targets, 3)}; it has "
            f"{first_few(others)} (data.target_columns names the right one)"
        )
    return fitting[0]


def _fits_sample(texts: list[str], column: str, sample: SampleForm) -> bool:
    """Whether the cells of a column hold what the sample submission asks for."""
    known = set(texts)
    if len(known) < 2:
        return False
    if len(sample.targets) > 1:
        return known <= set(sample.targets) or _parts(texts, column) <= set(sample.targets)
    if not sample.cells:
        return False
    asked = set(sample.cells)
    return asked <= known or {part for cell in asked for part in split_labels(cell, " ")} <= known


def _parts(texts: list[str], column: str) -> set[str]:
    """The labels in the cells of a column with label sets; else the cells."""
    separator = find_separator(texts, column)
    return {part for text in texts for part in split_labels(text, separator)} if separator else set(texts)


def _several_columns(
    training: TrainingTable, columns: tuple[str, ...], sample: SampleForm, config: DataConfig
) -> TargetReading:
    """One column a class, a label, or a value.

    Raises:
        UserError: cells that are neither 0 nor 1 among many that are, contradictions with the sample.
    """
    if set(columns) == set(sample.targets):
        columns = sample.targets  # the submission's order
    if len(sample.targets) > 1 and not sample.numeric and not sample.has_empty:
        raise NotThisLayout("the sample submission's target columns hold something else than numbers")
    values = numbers(training.table, columns)
    zero_one = np.isin(values, (0.0, 1.0))
    kind = config.kind
    if kind == "ordinal":
        raise UserError("a grade is read from one column, not from several", where=training.path)
    if kind is None and not zero_one.all():
        # Few cells that are no 0 or 1 are faults of the file; many are values to estimate.
        values_asked = bool(np.isfinite(values).all()) and zero_one.mean() < 0.5
        if values_asked and sample.sums_to_one:
            raise ambiguous(
                f"columns of {training.path.name} hold values, but rows of {sample.path.name} sum to 1 like "
                "probabilities of classes",
                training.path,
                [("kind: regression", "values to estimate; classes need 0 and 1")],
            )
        kind = "regression" if values_asked else "multiclass"
    if kind is None and (values.sum(axis=1) == 1).all():
        if not sample.sums_to_one and not sample.constant:
            raise ambiguous(
                f"every row of {training.path.name} has exactly one 1, but rows of {sample.path.name} neither sum "
                "to 1 nor hold one constant",
                training.path,
                [
                    ("kind: multiclass", "one class a picture"),
                    ("kind: multilabel", "independent probabilities"),
                ],
            )
        kind = "multiclass"
    if kind is None:
        # Reading one class names the rows that speak against it.
        kind = "multiclass" if sample.sums_to_one else "multilabel"
    if kind == "regression":
        return _values(training, columns, sample, values)
    if kind == "multiclass":
        return _one_hot(training, columns, sample, config)
    return _label_columns(training, columns, sample, config)


def _one_hot(
    training: TrainingTable, columns: tuple[str, ...], sample: SampleForm, config: DataConfig
) -> TargetReading:
    if len(sample.targets) == 1:
        columns = in_given_order(columns, config, training.path)
    texts = one_hot_labels(training.table, columns, training.id_column, training.path)
    form = _wide_form(training, columns, sample, "class_probabilities", "hard_label")
    order = " in the order of the sample submission's columns" if len(sample.targets) > 1 else ""
    lines = [f"labels: one-hot columns; {counted(len(columns), 'class')}{order}"]
    lines += [submission_line(form, len(columns)), *_absent(columns, set(texts))]
    position = {label: place for place, label in enumerate(columns)}
    return TargetReading(
        form="one-hot columns",
        kind="multiclass",
        classes=columns,
        class_names=columns,
        targets=np.array([position[text] for text in texts], np.int64),
        texts=texts,
        columns=columns,
        submission_format=form,
        understood=tuple(lines),
    )


def _label_columns(
    training: TrainingTable, columns: tuple[str, ...], sample: SampleForm, config: DataConfig
) -> TargetReading:
    if len(sample.targets) == 1:
        columns = in_given_order(columns, config, training.path)
    values = numbers(training.table, columns)
    strange = ~np.isin(values, (0.0, 1.0))
    if strange.any():
        row, place = (int(found[0]) for found in np.nonzero(strange))
        raise UserError(
            f"line {training.table.index[row]} has {training.table[columns[place]].iloc[row]!r} in column "
            f"{columns[place]!r}; label columns hold 0 or 1",
            where=training.path,
        )
    form = _wide_form(training, columns, sample, "independent_probabilities", "label_set")
    sums = values.sum(axis=1)
    lines = [
        f"labels: {counted(len(columns), 'column')} of 0 and 1, each a label of its own, because rows hold {int(sums.min())} to "
        f"{int(sums.max())} of them",
        submission_line(form, len(columns)),
        *_absent(columns, {columns[place] for place in np.flatnonzero(values.any(axis=0))}),
    ]
    return TargetReading(
        form="label columns",
        kind="multilabel",
        classes=columns,
        class_names=columns,
        targets=values.astype(np.float32),
        texts=["".join("1" if cell else "0" for cell in row) for row in values],
        columns=columns,
        submission_format=form,
        separator=config.separator or " ",
        understood=tuple(lines),
    )


def _values(
    training: TrainingTable, columns: tuple[str, ...], sample: SampleForm, values: np.ndarray
) -> TargetReading:
    if len(columns) != len(sample.targets):
        raise UserError(
            f"{counted(len(columns), 'column')} of values for {counted(len(sample.targets), 'column')} of {sample.path.name}",
            where=training.path,
        )
    bad = ~np.isfinite(values)
    if bad.any():
        row, place = (int(found[0]) for found in np.nonzero(bad))
        raise UserError(
            f"line {training.table.index[row]} has {training.table[columns[place]].iloc[row]!r} in column "
            f"{columns[place]!r}; a value to estimate is a finite number",
            where=training.path,
        )
    return TargetReading(
        form="values",
        kind="regression",
        classes=(),
        class_names=(),
        targets=values.astype(np.float32),
        texts=[" ".join(row) for row in training.table[list(columns)].to_numpy().tolist()],
        columns=columns,
        submission_format="real_number",
        understood=(
            f"target: {counted(len(columns), 'column')} of values to estimate: {first_few(columns)}",
            submission_line("real_number", len(columns)),
        ),
    )


def _wide_form(
    training: TrainingTable,
    columns: tuple[str, ...],
    sample: SampleForm,
    wide: SubmissionFormat,
    narrow: SubmissionFormat,
) -> SubmissionFormat:
    """The form of the submission: a column for each label, or one cell with their names.

    Raises:
        NotThisLayout: the columns of the sample are others.
    """
    if len(sample.targets) == 1:
        return narrow
    if set(columns) != set(sample.targets):
        lacking = sorted(set(columns) ^ set(sample.targets))
        raise NotThisLayout(
            f"columns of {training.path.name} and {sample.path.name} differ: {first_few(lacking)}"
        )
    return wide


def _absent(classes: tuple[str, ...], there: set[str]) -> list[str]:
    absent = [label for label in classes if label not in there]
    return [f"warning: classes without a training picture: {first_few(absent)}"] if absent else []


def submission_line(form: SubmissionFormat, columns: int) -> str:
    """What is to be handed in, for the person."""
    return {
        "class_probabilities": f"submission: the probability of every class, {counted(columns, 'column')}, because the sample "
        "has one for each",
        "independent_probabilities": f"submission: the probability of every label on its own, {counted(columns, 'column')}",
        "real_number": f"submission: the estimated value, {counted(columns, 'column')}"
        if columns > 1
        else "submission: the estimated value",
        "hard_label": "submission: one label for each row",
        "label_set": "submission: the labels of each row in one cell",
    }[form]
