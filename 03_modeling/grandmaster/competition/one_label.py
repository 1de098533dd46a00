"""One class for each picture: which form the submission wants it in."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.folder import NotThisLayout
from grandmaster.competition.labels import NameMap, are_integers, are_numbers
from grandmaster.competition.sample_form import SampleForm, split_labels
from grandmaster.competition.table import SubmissionFormat
from grandmaster.competition.targets import TargetReading, TrainingTable, named, placeholder_lines
from grandmaster.config import DataConfig
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted

# Spellings of "yes" among two classes.
POSITIVE_WORDS = frozenset(("1", "1.0", "true", "t", "yes", "y", "positive", "pos", "malignant", "abnormal"))
UNKNOWN = re.compile(r"new_.+|.*unknown.*|.*unidentified.*", re.IGNORECASE)
# Metrics that count decisions: with one of them a 0 in the sample is a label, not a probability.
DECISION_METRICS = frozenset(
    ("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "weighted_f1", "quadratic_weighted_kappa")
)
NARROW_FORMS = ("hard_label", "one_probability", "ranked_labels")


def read_one_label(
    training: TrainingTable,
    column: str,
    sample: SampleForm,
    config: DataConfig,
    classes: tuple[str, ...],
    name_map: NameMap | None,
) -> TargetReading:
    """Classes, and the form of the submission: wide or one probability, ranked labels, or one label.

    Args:
        training, column: one label in each cell.
        sample: decides on the form.
        config: what is known beforehand.
        classes: in their order.
        name_map: names for people; may name the sample's columns too.

    Raises:
        NotThisLayout: the sample asks for no class.
        UserError: the settings name a positive class that is not there.
    """
    texts = training.table[column].tolist()
    names = dict(name_map.names) if name_map else {}
    order = "whole numbers, in numeric order" if are_integers(classes) else "text, in alphabetic order"
    if config.classes is not None:
        order = "in the order of data.classes"
    separator = config.separator or " "
    positive, top_k = 1, 1
    if len(sample.targets) > 1:
        form: SubmissionFormat = "class_probabilities"
        classes = _classes_of_columns(sample.targets, classes, names, config)
        order = "in the order of the sample submission's columns"
        lines = _wide_lines(sample, classes, texts)
    else:
        form, why = _narrow_form(sample, config, classes, separator)
        lines = [f"submission: {why}"]
        if form == "one_probability":
            positive, line = _positive(classes, sample, config, names)
            lines.append(line)
        elif form == "ranked_labels":
            top_k = config.top_k or sample.ranked(separator)
            lines += _ranked_lines(sample, classes, separator)
        elif form == "hard_label":
            lines += placeholder_lines(sorted(set(sample.cells) - set(classes)))
            if sample.has_empty:
                lines.append("warning: the sample submission holds empty cells; taken for a placeholder")
    class_names, about_names = named(classes, name_map)
    position = {label: place for place, label in enumerate(classes)}
    return TargetReading(
        form="one label",
        kind="multiclass",
        classes=classes,
        class_names=class_names,
        targets=np.array([position[text] for text in texts], np.int64),
        texts=texts,
        columns=(column,),
        submission_format=form,
        understood=(
            f"labels: {training.source_of(column)}, {counted(len(classes), 'class')}{' ' if order.startswith('in ') else ': '}{order}",
            *lines,
            *about_names,
        ),
        positive_class=positive,
        top_k=top_k,
        separator=separator,
    )


def _classes_of_columns(
    targets: tuple[str, ...], classes: tuple[str, ...], names: dict[str, str], config: DataConfig
) -> tuple[str, ...]:
    """The class of each submission column: as listed in the settings, the label itself, or its name.

    Raises:
        NotThisLayout: a class has no column, or a column no class.
    """
    if config.classes is not None and len(config.classes) == len(targets):
        return config.classes
    if set(classes) <= set(targets):
        return targets
    label_of = {name: label for label, name in names.items()}
    if len(label_of) == len(names) and set(targets) == {names.get(label, label) for label in classes}:
        return tuple(label_of[target] for target in targets)
    lacking = sorted(set(classes) - set(targets))
    raise NotThisLayout(
        f"the sample submission has no column for the labels {first_few(lacking)} (data.classes lists the labels "
        "in the order of its columns)"
    )


def _wide_lines(sample: SampleForm, classes: tuple[str, ...], texts: Sequence[str]) -> list[str]:
    """What a column for each class asks for.

    Raises:
        NotThisLayout: text cells.
    """
    if not sample.numeric and not sample.has_empty:
        raise NotThisLayout("the sample submission's target columns hold something else than numbers")
    lines = [
        f"submission: the probability of every class, {counted(len(sample.targets), 'column')}, because the sample has one for "
        "each"
    ]
    if not sample.sums_to_one and not sample.constant:
        lines.append("submission: rows of the sample do not sum to 1, so nothing is asked of the sums")
    absent = sorted(set(classes) - set(texts))
    return [*lines, f"warning: classes without a training picture: {first_few(absent)}"] if absent else lines


def _narrow_form(
    sample: SampleForm, config: DataConfig, classes: tuple[str, ...], separator: str
) -> tuple[SubmissionFormat, str]:
    """What one target column asks for, and why.

    Raises:
        NotThisLayout: it holds a number that is neither a class nor, for two classes, a probability.
    """
    target = sample.targets[0]
    label = f"one label for each picture in column {target!r}"
    if config.submission_format is not None:
        if config.submission_format not in NARROW_FORMS:
            raise UserError(
                f"{config.submission_format} does not go with one class a picture and one target column",
                where=sample.path,
                fix=f"data.submission_format is one of {', '.join(NARROW_FORMS)} here.",
            )
        return config.submission_format, f"{config.submission_format}, as data.submission_format says"
    k = sample.ranked(separator)
    asked = {part for cell in sample.cells for part in split_labels(cell, separator)}
    if (config.top_k or 1) > 1 or (k > 1 and not set(sample.cells) & set(classes) and asked & set(classes)):
        return "ranked_labels", f"the {config.top_k or k} best labels, best first, in column {target!r}"
    foreign = sorted(set(sample.cells) - set(classes))
    probability = f"one probability in column {target!r}, because "
    if len(classes) == 2 and are_numbers(sample.cells):
        if sample.has_fractions and sample.in_unit_range and set(sample.cells) != set(classes):
            return "one_probability", f"{probability}there are two classes and the sample holds fractions"
        if config.metric in DECISION_METRICS and not foreign:
            return "hard_label", f"{label}, because {config.metric} counts decisions"
        numbered = set(classes) == {"0", "1"}
        if (len(sample.cells) == 1 and sample.in_unit_range and (numbered or foreign)) or (
            not sample.cells and numbered
        ):
            held = f"{sample.cells[0]} only" if sample.cells else "nothing"
            return "one_probability", (
                f"{probability}there are two classes and the sample holds {held} (`submission_format: hard_label` says "
                "that labels are wanted)"
            )
        if foreign and set(sample.cells) <= {"0", "1"}:
            return "one_probability", f"{probability}the two classes are text and the sample holds 0 and 1"
    if foreign and are_numbers(foreign) and not are_integers(foreign):
        raise NotThisLayout(
            f"column {target!r} of the sample submission holds {foreign[0]!r}: a probability or an estimated value, "
            "not a class"
        )
    return "hard_label", label


def _positive(
    classes: tuple[str, ...], sample: SampleForm, config: DataConfig, names: dict[str, str]
) -> tuple[int, str]:
    """Index of the class whose probability is handed in, and the line that says why this one.

    Raises:
        UserError: the settings name a class that is not there, or there are not two classes.
    """
    if len(classes) != 2:
        raise UserError(
            f"one probability is asked for, but there are {len(classes)} classes", where=sample.path
        )
    if config.positive_class is not None:
        if config.positive_class not in classes:
            raise UserError(
                f"there is no class {config.positive_class!r} (data.positive_class)",
                where=sample.path,
                fix=did_you_mean(config.positive_class, classes),
            )
        place = classes.index(config.positive_class)
        return place, f"positive class: {classes[place]!r}, as data.positive_class says"
    told = [place for place, label in enumerate(classes) if label.lower() in POSITIVE_WORDS]
    if len(told) == 1:
        return told[0], f"positive class: {classes[told[0]]!r}"
    target = sample.targets[0].lower()
    told = [
        place
        for place, label in enumerate(classes)
        if target in (label.lower(), names.get(label, "").lower())
    ]
    if len(told) == 1:
        return told[0], f"positive class: {classes[told[0]]!r}, after which the sample's column is called"
    return 1, (
        f"warning: positive class: {classes[1]!r}, the second of {classes[0]!r} and {classes[1]!r}; nothing says so "
        f"(`positive_class: {classes[0]}` in competition.yaml turns it round)"
    )


def _ranked_lines(sample: SampleForm, classes: tuple[str, ...], separator: str) -> list[str]:
    """Notes on ranked labels.

    Raises:
        UserError: a label holds the separator, and could not be told from two.
    """
    broken = [label for label in classes if len(split_labels(label, separator)) != 1]
    if broken:
        raise UserError(
            f"{counted(len(broken), 'label', 'holds', 'hold')} the separator {separator!r} that ranked labels stand between: "
            f"{first_few(broken)}",
            where=sample.path,
            fix="Name the right one (`separator: ...` in competition.yaml).",
        )
    unknown = [label for label in classes if UNKNOWN.fullmatch(label)]
    lines = [f"the class for the unknown, {label!r}, is a class like any other" for label in unknown]
    asked = {part for cell in sample.cells for part in split_labels(cell, separator)}
    return [*lines, *placeholder_lines(sorted(asked - set(classes)))]
