"""Layouts with a CSV of one class for each picture: they differ in where the pictures lie and how labels look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.folder import NotThisLayout
from grandmaster.competition.labels import are_integers
from grandmaster.competition.layouts.reading import Reading
from grandmaster.competition.layouts.tables import Evidence, Tables
from grandmaster.competition.one_label import UNKNOWN
from grandmaster.texts import counted

# Very many classes with hardly a picture for each: persons, animals, places to be told apart.
RARE_CLASSES, RARE_PICTURES = 100, 3
# A folder may hold a few pictures that the CSV says are of another class.
SAME_AS_FOLDER = 0.9


def read_split_folders(evidence: Evidence) -> Reading:
    """L1: pictures of train and test in folders of their own."""
    evidence.folder.path("train"), evidence.folder.path("sample")
    pictures = evidence.folder.pictures
    for split in ("train", "test"):
        if not pictures.split_folders[split] and not pictures.lenient:
            raise NotThisLayout(f"there is no {split} folder with pictures")
    tables = evidence.csv
    if tables.targets.form == "one-hot columns":
        raise NotThisLayout("train.csv has one column for each class")
    _require_classes(tables)
    return tables.read()


def read_labels_file(evidence: Evidence) -> Reading:
    """L2: the training table is called `labels.csv`."""
    path = evidence.folder.path("train")
    if not path.stem.lower().endswith(("labels", "label")):
        raise NotThisLayout(f"the training table is called {path.name}, not labels.csv")
    _require_classes(evidence.csv)
    return evidence.csv.read()


def read_one_folder(evidence: Evidence) -> Reading:
    """L3: pictures anywhere, found by id; one-hot columns too."""
    tables = evidence.csv
    if tables.targets.form != "one-hot columns":
        _require_classes(tables)
    return tables.read()


def read_class_folders_and_csv(evidence: Evidence) -> Reading:
    """L9: training pictures in a folder for each class, and a CSV with their bare names."""
    tables = evidence.csv
    _require_classes(tables)
    if any("/" in picture_id or "\\" in picture_id for picture_id in tables.ids):
        raise NotThisLayout("ids in the training table name folders")
    folders = [Path(path).parent.name for path in tables.paths]
    same = np.array([name == label for name, label in zip(folders, tables.targets.texts, strict=True)])
    if same.mean() < SAME_AS_FOLDER:
        raise NotThisLayout("training pictures do not lie in folders called after their classes")
    reading = tables.read()
    if same.all():
        return reading
    odd = [picture_id for picture_id, fits in zip(tables.ids, same, strict=True) if not fits]
    line = (
        f"warning: {counted(len(odd), 'picture', 'lies', 'lie')} in the folder of another class than {tables.training.path.name} says, "
        f"which counts: {first_few(odd)}"
    )
    return _with_line(reading, line)


def read_rare_ids(evidence: Evidence) -> Reading:
    """L14: very many classes with few pictures each, often with one for "unknown", and ranked labels asked for."""
    tables = evidence.csv
    _require_classes(tables)
    targets = tables.targets
    counts = np.bincount(targets.targets.astype(np.int64), minlength=len(targets.classes))
    rare = len(targets.classes) >= RARE_CLASSES and float(np.median(counts)) <= RARE_PICTURES
    if targets.submission_format != "ranked_labels" and not rare:
        raise NotThisLayout("no ranked labels are asked for, and classes are not many and rare")
    unknown = [label for label in targets.classes if UNKNOWN.fullmatch(label)]
    note = "there is no class for the unknown" if not unknown else f"{unknown[0]!r} stands for the unknown"
    form = "numbers" if are_integers(targets.classes) else "names"
    line = (
        f"classes: {len(targets.classes)} {form}, {int((counts == 1).sum())} of them with one picture; {note}"
    )
    return _with_line(tables.read(), line)


def _with_line(reading: Reading, line: str) -> Reading:
    return replace(reading, understood=(*reading.understood, line))


def _require_classes(tables: Tables) -> None:
    """Leave several labels, grades and values to other layouts.

    Raises:
        NotThisLayout: says what the table holds.
    """
    if tables.targets.form != "one label":
        raise NotThisLayout(
            f"{tables.training.path.name} holds {tables.targets.form}, not one class a picture"
        )
