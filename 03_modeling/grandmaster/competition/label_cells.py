"""What the cells of one training column are: a class, several labels, a grade or a value; and the evidence for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from grandmaster.competition.csv_files import first_few, require_filled
from grandmaster.competition.description import ambiguous
from grandmaster.competition.folder import NotThisLayout
from grandmaster.competition.labels import (
    NameMap,
    are_integers,
    are_numbers,
    find_name_map,
    has_fraction,
    ordered_classes,
)
from grandmaster.competition.one_label import read_one_label
from grandmaster.competition.sample_form import SampleForm, split_labels
from grandmaster.competition.table import SubmissionFormat
from grandmaster.competition.targets import (
    TargetReading,
    TrainingTable,
    in_given_order,
    named,
    placeholder_lines,
)
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.texts import counted

SEPARATORS = (" ", "|", ";", ",")
# A column of grades is called so; whole numbers alone are no evidence, for classes are numbered too.
GRADE_WORDS = frozenset(
    ("diagnosis", "grade", "grades", "grading", "severity", "stage", "rating", "level", "isup")
)
MOST_GRADES = 11  # 0 to 10
SEVERAL_WORDS = frozenset(("labels", "tags", "attributes", "classes", "categories", "ids", "targets"))
# With more different whole numbers than pictures for each, it may as well be a value that was rounded.
RARE_NUMBER = 0.5
RARE_NUMBER_ROWS = 20
FEWEST_NUMBERS = 40  # in all label sets together, before they are judged by that


def read_cells(
    training: TrainingTable, column: str, sample: SampleForm, config: DataConfig, root: Path
) -> TargetReading:
    """Find out what one column holds, and read it.

    Raises:
        NotThisLayout: the sample asks for something else.
        UserError: empty cells, one class only, a name map that does not fit, or evidence for two kinds (names the
            choices).
    """
    texts, path = training.table[column].tolist(), training.path
    separator = None
    if config.kind in (None, "multilabel"):
        separator = config.separator or find_separator(texts, column, path if config.kind is None else None)
    if config.kind == "multilabel" or (config.kind is None and separator and _several(texts, separator)):
        return _label_sets(training, column, sample, config, root, separator or " ")
    require_filled(training.table, column, path)
    classes = ordered_classes(texts)
    if len(classes) < 2:
        raise UserError(f"column {column!r} holds one class only: {classes[0]!r}", where=path)
    reason = (
        "data.kind says so" if config.kind == "regression" else _why_values(classes, texts, column, sample)
    )
    if config.kind in (None, "regression") and reason:
        return _values(training, column, sample, reason)
    classes = in_given_order(classes, config, path)
    name_map = training.names or find_name_map(root, set(texts), but=path)
    if config.kind == "ordinal":
        return _grades(training, column, sample, classes, name_map, "data.kind says so")
    if config.kind is None and len(sample.targets) == 1 and not sample.has_fractions:
        reason = _why_grades(classes, column, sample)
        if reason and name_map:
            raise ambiguous(
                f"column {column!r} may hold grades ({reason}) or classes ({name_map.path.name} names them)",
                path,
                [("kind: ordinal", "grades"), ("kind: multiclass", "classes without an order")],
            )
        if reason:
            return _grades(training, column, sample, classes, name_map, reason)
    _refuse_unclear_numbers(training, column, sample, config, classes, name_map)
    return read_one_label(training, column, sample, config, classes, name_map)


def find_separator(texts: Sequence[str], column: str, path: Path | None = None) -> str | None:
    """What stands between several labels in one cell; None where each cell is one label.

    Labels with blanks in their names look alike: it is a set of labels where all parts of such cells also stand
    alone somewhere, or are whole numbers, or where the column's name is a plural and its parts recur.

    Raises:
        UserError: some parts stand alone and some do not (only with `path`, which is for the message).
    """
    different = {text for text in texts if text.strip()}
    for separator in SEPARATORS:
        several = {text for text in different if len(split_labels(text, separator)) > 1}
        if not several:
            continue
        parts = {part for text in several for part in split_labels(text, separator)}
        alone = different - several
        if are_integers(parts) or parts <= alone:
            return separator
        if separator != " ":
            continue
        if _words(column) & SEVERAL_WORDS and len(parts | alone) < len(different):
            return separator
        if len(parts & alone) * 2 >= len(parts) and path is not None:
            raise ambiguous(
                f"cells of column {column!r} such as {min(several)!r} may be several labels or one name with blanks",
                path,
                [("kind: multilabel", "several labels"), ("kind: multiclass", "one name")],
            )
    return None


def _several(texts: Sequence[str], separator: str) -> bool:
    return any(len(split_labels(text, separator)) > 1 for text in texts)


def _words(name: str) -> set[str]:
    """The lower-case words of a column's name: `isup_grade`, `ISUPGrade` and `KL grade` all hold `grade`."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _label_sets(
    training: TrainingTable,
    column: str,
    sample: SampleForm,
    config: DataConfig,
    root: Path,
    separator: str,
) -> TargetReading:
    sets = [split_labels(text, separator) for text in training.table[column]]
    there = {label for labels in sets for label in labels}
    written = sum(map(len, sets))
    if are_integers(there) and written >= FEWEST_NUMBERS and len(there) > RARE_NUMBER * written:
        raise NotThisLayout(
            f"column {column!r} holds numbers that hardly recur: positions (of pixels or boxes) rather than labels"
        )
    if len(there) < 2:
        raise UserError(f"column {column!r} holds fewer than two labels", where=training.path)
    for line, labels in zip(training.table.index, sets, strict=True):
        if len(set(labels)) != len(labels):
            raise UserError(f"line {line} repeats a label in column {column!r}", where=training.path)
    name_map = training.names or find_name_map(root, there, but=training.path)
    classes = ordered_classes(there)
    submission_format: SubmissionFormat = "label_set"
    if len(sample.targets) > 1:
        if not there <= set(sample.targets):
            lacking = sorted(there - set(sample.targets))
            raise NotThisLayout(f"the sample submission has no column for the labels {first_few(lacking)}")
        if not sample.numeric:
            raise NotThisLayout("the sample submission's target columns hold something else than numbers")
        classes, submission_format = sample.targets, "independent_probabilities"
    else:
        classes = in_given_order(classes, config, training.path)
    position = {label: place for place, label in enumerate(classes)}
    targets = np.zeros((len(sets), len(classes)), np.float32)
    rows = [row for row, labels in enumerate(sets) for _ in labels]
    targets[rows, [position[label] for labels in sets for label in labels]] = 1
    shown = {" ": "blanks"}.get(separator, repr(separator))
    empty = sum(not labels for labels in sets)
    lines = [
        f"labels: {training.source_of(column)}, {counted(len(classes), 'label')}, up to {max(map(len, sets))} in one cell between {shown}"
    ]
    if empty:
        lines.append(f"labels: {empty} training pictures have none")
    if submission_format == "label_set":
        lines.append(f"submission: the labels of each row in one cell of column {sample.targets[0]!r}")
        asked = {label for cell in sample.cells for label in split_labels(cell, separator)}
        lines += placeholder_lines(sorted(asked - there))
    else:
        lines.append(
            f"submission: the probability of every label on its own, {counted(len(classes), 'column')}"
        )
    class_names, about_names = named(classes, name_map)
    return TargetReading(
        form="label sets",
        kind="multilabel",
        classes=classes,
        class_names=class_names,
        targets=targets,
        texts=[" ".join(sorted(labels)) for labels in sets],
        columns=(column,),
        submission_format=submission_format,
        separator=separator,
        understood=(*lines, *about_names),
    )


def _why_values(classes: Sequence[str], texts: Sequence[str], column: str, sample: SampleForm) -> str | None:
    """Why the cells are values to estimate; None where they are something else."""
    if len(sample.targets) > 1:
        return None
    fractions = sum(map(has_fraction, texts))
    # Where most are, the rest is a fault that `_values` names, not a class.
    if fractions and (are_numbers(classes) or fractions * 2 > len(texts)):
        return "it holds numbers with a fraction"
    if len(classes) > 2 and are_numbers(classes) and sample.has_fractions and not sample.in_unit_range:
        return f"the sample submission holds values such as {sample.cells[0]}"
    return None


def _values(training: TrainingTable, column: str, sample: SampleForm, reason: str) -> TargetReading:
    texts = training.table[column].tolist()
    if not are_numbers(texts):
        bad = next(place for place, text in enumerate(texts) if not are_numbers([text]))
        raise UserError(
            f"line {training.table.index[bad]} has {texts[bad]!r} in column {column!r}, which is no number",
            where=training.path,
        )
    if len(sample.targets) > 1:
        raise NotThisLayout(
            f"one column of values, but {counted(len(sample.targets), 'column')} in the sample submission"
        )
    if not are_numbers(sample.cells):
        raise NotThisLayout(f"column {column!r} holds values to estimate, the sample submission text")
    values = np.array([[float(text)] for text in texts], np.float32)
    return TargetReading(
        form="values",
        kind="regression",
        classes=(),
        class_names=(),
        targets=values,
        texts=texts,
        columns=(column,),
        submission_format="real_number",
        understood=(
            f"target: {training.source_of(column)}, a value to estimate between {values.min():g} and {values.max():g}, because "
            f"{reason}",
            f"submission: the estimated value in column {sample.targets[0]!r}",
        ),
    )


def _why_grades(classes: Sequence[str], column: str, sample: SampleForm) -> str | None:
    """Why the cells are grades with an order; None where nothing says so."""
    words = (_words(column) | _words(sample.targets[0])) & GRADE_WORDS
    if not words or not are_integers(classes) or not 3 <= len(classes) <= MOST_GRADES:
        return None
    grades = sorted(int(label) for label in classes)
    if grades[0] not in (0, 1) or grades != list(range(grades[0], grades[0] + len(grades))):
        return None
    return f"its name says {min(words)!r} and it holds the whole numbers {grades[0]} to {grades[-1]}"


def _grades(
    training: TrainingTable,
    column: str,
    sample: SampleForm,
    classes: tuple[str, ...],
    name_map: NameMap | None,
    reason: str,
) -> TargetReading:
    if len(sample.targets) > 1 or sample.has_fractions:
        raise UserError(
            "grades are handed in as one whole label a row, but the sample submission holds "
            + ("several columns" if len(sample.targets) > 1 else "numbers with a fraction"),
            where=sample.path,
            fix="Write `kind: regression` or `kind: multiclass` into competition.yaml.",
        )
    texts = training.table[column].tolist()
    position = {label: place for place, label in enumerate(classes)}
    class_names, about_names = named(classes, name_map)
    return TargetReading(
        form="grades",
        kind="ordinal",
        classes=classes,
        class_names=class_names,
        targets=np.array([[position[text]] for text in texts], np.float32),
        texts=texts,
        columns=(column,),
        submission_format="ordinal_label",
        understood=(
            f"labels: {training.source_of(column)}, {len(classes)} grades from {classes[0]!r} to {classes[-1]!r}: ordinal, "
            f"because {reason} (`kind: multiclass` says they have no order)",
            f"submission: the grade in column {sample.targets[0]!r}",
            *placeholder_lines(sorted(set(sample.cells) - set(classes))),
            *about_names,
        ),
    )


def _refuse_unclear_numbers(
    training: TrainingTable,
    column: str,
    sample: SampleForm,
    config: DataConfig,
    classes: Sequence[str],
    name_map: NameMap | None,
) -> None:
    """Whole numbers that may be classes as well as values.

    Raises:
        UserError: names the choices.
    """
    if config.kind is not None or len(sample.targets) > 1 or len(classes) < 3 or not are_numbers(classes):
        return
    why = None
    if sample.has_fractions and name_map is None and not set(sample.cells) <= set(classes):
        why = f"the sample submission holds {sample.cells[0]}"
    elif (
        len(training.table) >= RARE_NUMBER_ROWS
        and len(classes) > RARE_NUMBER * len(training.table)
        and sample.ranked(config.separator or " ") < 2
    ):
        why = f"there are {len(classes)} different ones for {counted(len(training.table), 'picture')}"
    if why:
        raise ambiguous(
            f"the whole numbers in column {column!r} may be classes or values to estimate: {why}",
            training.path,
            [("kind: regression", "a value"), ("kind: multiclass", "classes")],
        )
