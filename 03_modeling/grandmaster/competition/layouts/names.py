"""Layouts without a training table: the names of folders or files are the labels."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.layouts.coco import training_json
from grandmaster.competition.layouts.reading import Reading
from grandmaster.competition.layouts.tables import Evidence, Tables, sample_form
from grandmaster.competition.targets import TrainingTable

# `cat.0`, `dog_12`, `Abyssinian-7`: a label and a number.
_LABEL_AND_NUMBER = re.compile(r"(.*[^\d._\- ])[._\- ]*\d+")


def read_class_folders(evidence: Evidence) -> Reading:
    """L10: a folder for each class below the training folder; the id of a picture is its path in there."""
    folder = evidence.folder
    pictures = _training_pictures(folder)
    top = _common_folder(pictures)
    below = [picture.removeprefix(top) for picture in pictures]
    loose = [name for name in below if "/" not in name]
    if loose:
        raise NotThisLayout(
            f"training pictures lie right in {top}, such as {loose[0]!r}, not in class folders"
        )
    labels = [name.partition("/")[0] for name in below]
    return _tables(folder, pictures, below, labels, top, "folders").read()


def read_file_names(evidence: Evidence) -> Reading:
    """L11: a training picture is called by its label and a number."""
    folder = evidence.folder
    pictures = _training_pictures(folder)
    names = [picture.rpartition("/")[2] for picture in pictures]
    found = [_LABEL_AND_NUMBER.fullmatch(os.path.splitext(name)[0]) for name in names]  # noqa: PTH122
    odd = [name for name, match in zip(names, found, strict=True) if match is None]
    if odd:
        raise NotThisLayout(f"file names such as {odd[0]!r} are no label and number")
    labels = [match[1] for match in found if match is not None]
    if len(set(labels)) < 2 or len(set(labels)) * 2 > len(labels):
        raise NotThisLayout(f"file names hold no recurring labels: {first_few(sorted(set(labels)), 3)}")
    return _tables(folder, pictures, names, labels, _common_folder(pictures), "files").read()


def _training_pictures(folder: CompetitionFolder) -> list[str]:
    """Relative paths of the pictures in the training folder.

    Raises:
        NotThisLayout: there is a training table, no sample submission or no such folder.
    """
    asked = folder.config.layout is not None  # then other files that may hold labels do not count
    if folder.has("train") and not asked:
        raise NotThisLayout(f"there is a training table, {folder.path('train').name}")
    folder.path("sample")
    annotations = None if asked else training_json(folder)
    if annotations is not None:
        raise NotThisLayout(f"{annotations.name} may hold the labels (data.layout says that it does not)")
    pictures = folder.pictures.of_split("train")
    if not pictures:
        raise NotThisLayout("there is no train folder with pictures")
    return pictures


def _common_folder(pictures: Sequence[str]) -> str:
    """The deepest folder that holds all of them, with `/` at its end."""
    return os.path.commonpath([picture.rpartition("/")[0] for picture in pictures]) + "/"


def _tables(
    folder: CompetitionFolder, pictures: list[str], ids: list[str], labels: list[str], top: str, of_what: str
) -> Tables:
    sample = sample_form(folder)
    source = folder.root / top
    return Tables(
        folder=folder,
        training=TrainingTable(
            table=pd.DataFrame({"picture": ids, "label": labels}, dtype=str),
            id_column="picture",
            path=source,
            # Through `match`, which refuses links that leave the folder.
            pictures=tuple(folder.pictures.match(pictures, split="train", where=source)),
            label_column="label",
            labels_from=f"names of {of_what} in {top}",
        ),
        sample=sample,
    )
