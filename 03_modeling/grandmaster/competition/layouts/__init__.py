"""The ways in which a competition's files can be laid out, each read by one function.

A layout looks at the `Evidence` and either returns a `Reading` or raises `NotThisLayout` with what speaks against
it. What is wrong with data that does fit raises `UserError`. A new layout is one function and one line in `LAYOUTS`,
which are tried in that order: the special ones before the general.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grandmaster.competition.layouts import coco, names, one_class, other_targets, rows
from grandmaster.competition.layouts.reading import Reading
from grandmaster.competition.layouts.tables import Evidence

__all__ = ["LAYOUTS", "Evidence", "Layout", "Reading"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A named way of laying out files.

    Attributes:
        title: what it looks like, in one line.
        read: the function that reads it.
    """

    title: str
    read: Callable[[Evidence], Reading]


LAYOUTS: dict[str, Layout] = {
    "L12": Layout(title="COCO annotations in JSON, pictures in nested folders", read=coco.read_coco),
    "L13": Layout(title="several pictures to one row of the submission", read=rows.read_rows),
    "L14": Layout(title="very many rare ids as classes, one for the unknown", read=one_class.read_rare_ids),
    "L4": Layout(title="several labels in one cell", read=other_targets.read_label_sets),
    "L5": Layout(title="a column of 0 and 1 for each label", read=other_targets.read_label_columns),
    "L7": Layout(title="a value to estimate", read=other_targets.read_values),
    "L8": Layout(title="grades with an order", read=other_targets.read_grades),
    "L6": Layout(
        title="one binary target with metadata columns", read=other_targets.read_binary_with_metadata
    ),
    "L9": Layout(
        title="a folder for each class plus a CSV with bare file names",
        read=one_class.read_class_folders_and_csv,
    ),
    "L2": Layout(title="labels.csv with one label a picture", read=one_class.read_labels_file),
    "L1": Layout(
        title="train.csv with one label a picture, pictures in train/ and test/",
        read=one_class.read_split_folders,
    ),
    "L3": Layout(
        title="train.csv with a label column or one-hot class columns, train and test pictures in shared folders",
        read=one_class.read_one_folder,
    ),
    "L10": Layout(title="a folder for each class, no table", read=names.read_class_folders),
    "L11": Layout(title="the label in the file name", read=names.read_file_names),
}
