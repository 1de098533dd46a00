"""Which file is the mask, or any further registered image, of which picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from grandmaster.competition.csv_files import first_few
from grandmaster.competition.description import FILE_NAME
from grandmaster.competition.files import PictureIndex, Split
from grandmaster.competition.folder import CompetitionFolder
from grandmaster.config import ExtraImages
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted


def with_extra_images(
    folder: CompetitionFolder, train: pd.DataFrame, test: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Both tables with a column `extra_<name>` (absolute paths) for each registered image, and lines that say so.

    Raises:
        UserError: a setting contradicts itself or the files; pictures without such an image, or with several.
    """
    registered = folder.config.extra_images or ()
    names = [extra.name for extra in registered]
    if len(set(names)) < len(names):
        raise UserError(f"two of the same name: {first_few(names)}", where="data.extra_images")
    lines = []
    for extra in registered:
        train = train.assign(**{extra.key: _files(folder, extra, train, "train")})
        test = test.assign(**{extra.key: _files(folder, extra, test, "test")})
        lines.append(
            f"further image: {extra}, {counted(extra.channels, 'channel')}, for all "
            f"{len(train)} training and {len(test)} test pictures"
        )
    return train, test, tuple(lines)


def _index(folder: CompetitionFolder, extra: ExtraImages, split: Split) -> PictureIndex:
    """Where its files are looked for."""
    if extra.folder is None and extra.column is None:
        raise UserError(
            f"{extra.name} has neither folder nor column",
            where="data.extra_images",
            fix=f"Say in {FILE_NAME} where its files are: `folder: masks` or `column: mask_path`.",
        )
    if extra.column is not None and extra.ending:
        raise UserError(
            f"{extra.name} has both column and ending: the column names the files already",
            where="data.extra_images",
        )
    place = extra.folder_of(split)
    if place is None:
        return folder.everything
    index = folder.everything.below(place)
    if not index.pictures:
        raise UserError(
            f"there are no pictures in folder {place!r} (data.extra_images, {extra.name})",
            where=folder.root,
            fix=did_you_mean(place, folder.everything.folders),
        )
    return index


def _files(folder: CompetitionFolder, extra: ExtraImages, table: pd.DataFrame, split: Split) -> list[str]:
    """The file of every row, absolute."""
    root, index = folder.root, _index(folder, extra, split)
    pictures = [Path(path).relative_to(root).as_posix() for path in table["path"]]
    if extra.column is not None:
        cells = _cells(folder, extra, table, split)
        found = [index.candidates(cell, split) if cell else [] for cell in cells]
    else:
        found = [_beside(index, picture, extra.ending, split) for picture in pictures]
    ids = table["id"].tolist()
    missing = [picture_id for picture_id, files in zip(ids, found, strict=True) if not files]
    if missing:
        where = f"column {extra.column!r}" if extra.column else f"folder {extra.folder_of(split)!r}"
        raise UserError(
            f"{len(missing)} of {len(ids)} {split} pictures have no {extra.name}: {first_few(missing)} ({where})",
            where=root,
            fix="Complete the files, or remove the rows of these pictures: a missing one is not taken as empty.",
        )
    several = [(picture_id, files) for picture_id, files in zip(ids, found, strict=True) if len(files) > 1]
    if several:
        raise UserError(
            f"{counted(len(several), f'{split} picture', 'fits', 'fit')} more than one {extra.name}: "
            f"{first_few([picture_id for picture_id, _ in several])}",
            where=root,
            fix=f"{several[0][0]!r} may have {first_few(several[0][1])}; name the folder in extra_images, or a column.",
        )
    files = [found_files[0] for found_files in found]
    own = [
        picture_id for picture_id, file, picture in zip(ids, files, pictures, strict=True) if file == picture
    ]
    if own:
        raise UserError(
            f"the {extra.name} of {counted(len(own), f'{split} picture')} is the picture itself: {first_few(own)}",
            where=root,
            fix="Name the folder of the other images in extra_images.",
        )
    if extra.column is None:
        _refuse_shared(extra, ids, files, split, root)
    return [str(root / file) for file in files]


def _beside(index: PictureIndex, picture: str, ending: str, split: Split) -> list[str]:
    """Files called as the picture is; of several those that lie most like it, folder by folder from the last."""
    folder, _, name = picture.rpartition("/")
    found = index.candidates(Path(name).stem + ending, split)
    if len(found) < 2:
        return found
    alike = [_common(folder, file.rpartition("/")[0]) for file in found]
    return [file for file, common in zip(found, alike, strict=True) if common == max(alike)]


def _common(one: str, other: str) -> int:
    """Folders that two paths have in common at their ends."""
    count = 0
    for mine, yours in zip(reversed(one.split("/")), reversed(other.split("/")), strict=False):
        if mine != yours:
            break
        count += 1
    return count


def _cells(folder: CompetitionFolder, extra: ExtraImages, table: pd.DataFrame, split: Split) -> Sequence[str]:
    """What the column says for every row of the table."""
    column = f"meta_{extra.column}"
    if split == "train":
        if column not in table.columns:
            known = [name.removeprefix("meta_") for name in table.columns if name.startswith("meta_")]
            raise UserError(
                f"the training table has no column {extra.column!r} (data.extra_images, {extra.name})",
                where=folder.root,
                fix=did_you_mean(str(extra.column), known) if known else "Give folder instead.",
            )
        cells: list[str] = table[column].tolist()
        return cells
    told = folder.table("test") if folder.has("test") else None
    if told is None or extra.column not in told.columns:
        raise UserError(
            f"no test table has the column {extra.column!r} (data.extra_images, {extra.name})",
            where=folder.root,
            fix="Give folder instead, with files called as their pictures.",
        )
    ids = set(table["id"])
    keys = [name for name in told.columns if name != extra.column and ids <= set(told[name])]
    if not keys:
        raise UserError(
            "no column of the test table holds the ids of all test pictures", where=folder.path("test")
        )
    of_id = dict(zip(told[keys[0]], told[extra.column], strict=True))
    return [of_id[picture_id] for picture_id in table["id"]]


def _refuse_shared(
    extra: ExtraImages, ids: Sequence[str], files: Sequence[str], split: Split, root: Path
) -> None:
    owner: dict[str, str] = {}
    for picture_id, file in zip(ids, files, strict=True):
        other = owner.setdefault(file, picture_id)
        if other != picture_id:
            raise UserError(
                f"{split} pictures {other!r} and {picture_id!r} have the same {extra.name}: {file}",
                where=root,
                fix="Give the files the folders of their pictures, or name them in a column.",
            )


def without_extra_images(folder: CompetitionFolder) -> CompetitionFolder:
    """The folder as the layouts see it: what is registered as a further image is no picture to be recognised."""
    registered = folder.config.extra_images or ()
    taken: set[str] = set()
    splits: tuple[Split, ...] = ("train", "test")
    for extra, split in itertools.product(registered, splits):
        place = extra.folder_of(split)
        if place is not None:
            taken.update(folder.everything.below(place).pictures)
        elif folder.has(split) and extra.column in folder.table(split).columns:
            for cell in folder.table(split)[extra.column]:
                taken.update(folder.everything.candidates(cell, split))
    if not taken:
        return folder
    left = tuple(path for path in folder.pictures.pictures if path not in taken)
    return replace(folder, pictures=replace(folder.pictures, pictures=left))
