"""L12: annotations in the JSON format of COCO, pictures in nested folders.

The format: https://cocodataset.org/#format-data (object detection); competitions use `images`, `annotations` and
`categories` of it for classification.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.files import Split, inside
from grandmaster.competition.folder import CompetitionFolder, NotThisLayout
from grandmaster.competition.labels import NameMap
from grandmaster.competition.layouts.reading import Reading
from grandmaster.competition.layouts.tables import (
    Evidence,
    PicturesToPredict,
    Tables,
    pictures_to_predict,
    sample_form,
)
from grandmaster.competition.sample_form import SampleForm
from grandmaster.competition.targets import TrainingTable
from grandmaster.errors import UserError
from grandmaster.texts import JSON_DAMAGE, counted


class _Annotation(msgspec.Struct):
    image_id: int | str
    category_id: int | str


class _Coco(msgspec.Struct):
    """What is read of a file; all else in it is passed over."""

    images: list[dict[str, Any]]
    annotations: list[_Annotation] = []
    categories: list[dict[str, Any]] = []


# Some competitions call an id after what it is of, or write the test pictures as a bare list.
_PICTURE_ID, _CATEGORY_ID, _CATEGORY_NAME = (
    ("id", "image_id"),
    ("id", "category_id"),
    ("name", "scientificName"),
)


def read_coco(evidence: Evidence) -> Reading:
    """Training pictures and categories from a JSON file called after train, test pictures from one after test.

    Raises:
        NotThisLayout: there is a training CSV, no sample submission or no such JSON.
        UserError: a file that is no COCO, several that may be meant, ids that contradict each other.
    """
    folder = evidence.folder
    if folder.has("train") and folder.config.layout is None:
        raise NotThisLayout(f"there is a training table, {folder.path('train').name}")
    folder.path("sample")
    path = training_json(folder)
    if path is None:
        raise NotThisLayout("there is no JSON file of training annotations")
    if not folder.pictures.pictures:
        raise NotThisLayout("there are no pictures")
    coco = _read(path)
    if not coco.annotations or not coco.categories:
        raise NotThisLayout(f"{path.name} holds no annotations of categories")
    sample = sample_form(folder)
    training, lines = _training_table(folder, path, coco)
    tables = Tables(folder=folder, training=training, sample=sample)
    reading = tables.read(test=_test(folder, sample))
    return replace(reading, understood=(*reading.understood, *lines))


def training_json(folder: CompetitionFolder) -> Path | None:
    """The JSON file that, by its path, holds annotations of the training pictures.

    Raises:
        UserError: there are several.
    """
    return _json_file(folder, "train")


def _json_file(folder: CompetitionFolder, split: Split) -> Path | None:
    """The JSON file of a split: named by the settings, or with the split in its path.

    Raises:
        UserError: there are several.
    """
    named = folder.described_as_json(split)
    if named is not None:
        return named
    word = re.compile(rf"(^|[^a-z]){split}(ing)?([^a-z]|$)", re.IGNORECASE)
    files = [name for name in folder.pictures.tables if name.lower().endswith(".json") and word.search(name)]
    if len(files) > 1:
        raise UserError(
            f"{first_few(files)} may each hold the {split} pictures",
            where=folder.root,
            fix=f"Say which in competition.yaml: `{split}: {files[0]}`.",
        )
    return inside(folder.root / files[0], folder.root) if files else None


def _read(path: Path) -> _Coco:
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_Coco | list[dict[str, Any]])
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror or error}", where=path) from error
    except msgspec.ValidationError as error:
        raise UserError(f"not in the format of COCO: {error}", where=path) from error
    except JSON_DAMAGE as error:
        raise UserError(f"not valid JSON: {error}", where=path) from error
    return content if isinstance(content, _Coco) else _Coco(images=content)


def _first(entry: dict[str, Any], keys: Sequence[str]) -> str | None:
    """The first of these entries that is there, as text."""
    return next((str(entry[key]) for key in keys if isinstance(entry.get(key), str | int)), None)


def _training_table(folder: CompetitionFolder, path: Path, coco: _Coco) -> tuple[TrainingTable, list[str]]:
    """A row for each annotated picture; several categories of one picture stand in one cell."""
    categories: dict[str, list[str]] = defaultdict(list)
    for annotation in coco.annotations:
        found = categories[str(annotation.image_id)]
        if str(annotation.category_id) not in found:
            found.append(str(annotation.category_id))
    images = _images(coco, path)
    strangers = sorted(set(categories) - set(images))
    if strangers:
        raise UserError(
            f"{len(strangers)} annotations are of pictures that are not listed: {first_few(strangers)}",
            where=path,
        )
    bare = [picture_id for picture_id in images if picture_id not in categories]
    lines = (
        [f"warning: {len(bare)} listed pictures have no annotation and are left out: {first_few(bare)}"]
        if bare
        else []
    )
    ids = list(categories)
    table = pd.DataFrame(
        {
            "id": ids,
            "category_id": [" ".join(categories[picture_id]) for picture_id in ids],
        },
        dtype=str,
    )
    # What else is said of a picture, as long as it is one value: size, place, date, sequence.
    simple = {
        key: None
        for picture_id in ids
        for key, value in images[picture_id].items()
        if isinstance(value, str | int | float) and key not in ("file_name", "image_id", *table.columns)
    }
    further = {
        key: [
            "" if images[picture_id].get(key) is None else str(images[picture_id][key]) for picture_id in ids
        ]
        for key in simple
    }
    table = pd.concat([table, pd.DataFrame(further, dtype=str)], axis=1)
    names: dict[str, str] = {}
    for category in coco.categories:
        label = _first(category, _CATEGORY_ID)
        if label is None:
            raise UserError(f"a category has no id: {str(category)[:80]}", where=path)
        names[label] = _first(category, _CATEGORY_NAME) or label
    lacking = sorted({label for labels in categories.values() for label in labels} - set(names))
    if lacking:
        raise UserError(
            f"{len(lacking)} categories are annotated but not listed: {first_few(lacking)}", where=path
        )
    return (
        TrainingTable(
            table=table,
            id_column="id",
            path=path,
            pictures=tuple(_paths(folder, path, [images[picture_id] for picture_id in ids], "train")),
            names=NameMap(path=path, names=names),
            label_column="category_id",
            labels_from="category_id of the annotations",
        ),
        lines,
    )


def _images(coco: _Coco, path: Path) -> dict[str, dict[str, Any]]:
    """Id -> what the file says of the picture.

    Raises:
        UserError: a picture without id or file name, or an id that repeats.
    """
    images: dict[str, dict[str, Any]] = {}
    for image in coco.images:
        picture_id = _first(image, _PICTURE_ID)
        if picture_id is None or not isinstance(image.get("file_name"), str):
            raise UserError(f"a listed picture has no id or no file_name: {str(image)[:80]}", where=path)
        if picture_id in images:
            raise UserError(f"picture id {picture_id!r} is listed twice", where=path)
        images[picture_id] = image
    return images


def _paths(folder: CompetitionFolder, path: Path, images: list[dict[str, Any]], split: Split) -> list[str]:
    """The files of listed pictures; their names are relative to the JSON file's folder, or found anywhere."""
    beside = path.parent.relative_to(folder.root).as_posix()
    there = set(folder.pictures.pictures)
    names = []
    for image in images:
        name = str(image["file_name"])
        near = name if beside == "." else f"{beside}/{name}"
        names.append(near if near in there else name)
    return folder.pictures.match(names, split=split, where=path)


def _test(folder: CompetitionFolder, sample: SampleForm) -> PicturesToPredict:
    """The sample's ids, which are those of a JSON of test pictures, or name files."""
    path = _json_file(folder, "test")
    if path is None:
        return pictures_to_predict(folder, sample)
    images = _images(_read(path), path)
    ids = sample.table[sample.id_column].tolist()
    strangers = [picture_id for picture_id in ids if picture_id not in images]
    if strangers:
        raise UserError(
            f"{len(strangers)} test ids are in {sample.path.name} but not in {path.name}: {first_few(strangers)}",
            where=folder.root,
        )
    unasked = sorted(set(images) - set(ids))
    lines = [f"{len(ids)} test pictures from {sample.path.name}, their files from {path.name}"]
    if unasked:
        lines.append(
            f"warning: {counted(len(unasked), 'picture')} of {path.name} not asked for: {first_few(unasked)}"
        )
    paths = _paths(folder, path, [images[picture_id] for picture_id in ids], "test")
    return PicturesToPredict(ids=ids, rows=ids, paths=paths, understood=tuple(lines))
