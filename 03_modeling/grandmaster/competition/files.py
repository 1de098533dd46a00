"""Which picture file belongs to which id."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Literal

from grandmaster.competition.csv_files import first_few
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted, is_clean

Split = Literal["train", "test"]

PICTURE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".ppm", ".pgm"),
        *(".dcm", ".dicom"),
    )
)
TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".json"))
_LOOKED_AT = PICTURE_SUFFIXES | TABLE_SUFFIXES

_SPLIT_FOLDER = re.compile(
    r"(train|test)(ing)?([_-]?(images?|imgs?|pictures|photos|set|data|jpg|jpeg|png))?([_-]?\d{1,4})?",
    re.IGNORECASE,
)


class _LeavesFolder(Exception):
    """An id, or the link it leads to, points outside the data folder."""


@dataclass(frozen=True, kw_only=True)
class PictureIndex:
    """Every picture below a folder, found in one walk.

    Hidden files and folders (`._a.jpg`, `.ipynb_checkpoints`) and `__MACOSX` are no data. Links to folders are
    not followed: what they hold inside the root is found in its own place, and what lies outside is not part of
    the data.

    Attributes:
        root: the folder, absolute, links resolved.
        pictures: paths relative to the root, with `/`, sorted.
        links: those of them that are links themselves.
        outside: links to folders outside the root, not followed.
        tables: CSV and JSON files, relative to the root; only named here, never read.
        lenient: an id without a picture is no error: it gets a path of which there is no file.
    """

    root: Path
    pictures: tuple[str, ...]
    links: frozenset[str]
    outside: tuple[str, ...]
    tables: tuple[str, ...]
    lenient: bool = False

    @classmethod
    def of(cls, root: Path) -> PictureIndex:
        """Walk the folder.

        Raises:
            UserError: a folder cannot be read, or files have names that no table can hold.
        """
        root = root.resolve()
        pictures: list[str] = []
        links: set[str] = set()
        outside: list[str] = []
        tables: list[str] = []
        unreadable: list[str] = []
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(root / folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or entry.name == "__MACOSX":
                            continue
                        relative = f"{folder}{entry.name}"
                        if _is_folder(entry):
                            if not entry.is_symlink():
                                waiting.append(f"{relative}/")
                            elif not Path(entry.path).resolve().is_relative_to(root):
                                outside.append(relative)
                            continue
                        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - called a million times
                        if suffix not in _LOOKED_AT:
                            continue
                        if not relative.isascii() and not is_clean(relative):
                            unreadable.append(relative)
                        if suffix in PICTURE_SUFFIXES and _is_file(entry):
                            pictures.append(relative)
                            if entry.is_symlink():
                                links.add(relative)
                        elif suffix in TABLE_SUFFIXES:
                            tables.append(relative)
            except OSError as error:
                raise UserError(
                    f"folder cannot be read: {error.strerror or error}", where=root / folder
                ) from error
        if unreadable:
            raise UserError(
                f"the names of {len(unreadable)} files are not UTF-8: {first_few(unreadable)}",
                where=root,
                fix="Rename them, for example with `convmv -f cp949 -t utf-8 -r --notest FOLDER`, or unpack them "
                "again with the right encoding.",
            )
        return cls(
            root=root,
            pictures=tuple(sorted(pictures)),
            links=frozenset(links),
            outside=tuple(sorted(outside)),
            tables=tuple(sorted(tables)),
        )

    def only_in(self, folders: Sequence[str]) -> PictureIndex:
        """The same with only the pictures in (or below) these folders.

        Args:
            folders: relative to the root.

        Raises:
            UserError: a folder holds no picture.
        """
        wanted = {folder: folder.replace("\\", "/").strip("/").removeprefix("./") for folder in folders}
        for folder, start in wanted.items():
            if not any(picture.startswith(f"{start}/") for picture in self.pictures):
                raise UserError(
                    f"there are no pictures in folder {folder!r} (data.images)",
                    where=self.root,
                    fix=did_you_mean(start, self.folders),
                )
        starts = tuple(f"{start}/" for start in wanted.values())
        return replace(self, pictures=tuple(path for path in self.pictures if path.startswith(starts)))

    def below(self, folder: str) -> PictureIndex:
        """The same with only the pictures in (or below) one folder, perhaps none."""
        start = folder.replace("\\", "/").strip("/").removeprefix("./")
        if start in ("", "."):
            return self
        return replace(self, pictures=tuple(path for path in self.pictures if path.startswith(f"{start}/")))

    def candidates(self, picture_id: str, split: Split) -> list[str]:
        """Relative paths that an id may mean, as `match` looks for it; none where it leads out of the folder."""
        try:
            return self._files_of(picture_id, split)
        except _LeavesFolder:
            return []

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """File name -> relative paths."""
        found: dict[str, list[str]] = defaultdict(list)
        for picture in self.pictures:
            found[picture.rpartition("/")[2]].append(picture)
        return dict(found)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        """File name without its suffix -> relative paths."""
        found: dict[str, list[str]] = defaultdict(list)
        for picture in self.pictures:
            found[_without_suffix(picture.rpartition("/")[2])].append(picture)
        return dict(found)

    @cached_property
    def folders(self) -> dict[str, int]:
        """Folder, relative to the root (`.` for itself) -> number of pictures right in it."""
        return dict(Counter(picture.rpartition("/")[0] or "." for picture in self.pictures))

    @cached_property
    def split_folders(self) -> dict[Split, tuple[str, ...]]:
        """The folders with pictures that, by their names, belong to train or test."""
        found: dict[Split, list[str]] = {"train": [], "test": []}
        for folder in self.folders:
            split = _split_of_folder(folder)
            if split is not None:
                found[split].append(folder)
        return {split: tuple(folders) for split, folders in found.items()}

    def of_split(self, split: Split) -> list[str]:
        """Relative paths of all pictures in folders that, by their names, belong to this split."""
        return [picture for picture in self.pictures if _split_of(picture) == split]

    def fits(self, picture_id: str, split: Split) -> bool:
        """Whether an id names exactly one picture, as `match` looks for it."""
        return len(self.candidates(picture_id, split)) == 1

    @cached_property
    def _by_folder(self) -> dict[str, list[str]]:
        """Name of a folder -> relative paths of the pictures anywhere below one that is called so."""
        found: dict[str, list[str]] = defaultdict(list)
        for picture in self.pictures:
            for name in set(picture.split("/")[:-1]):
                found[name].append(picture)
        return dict(found)

    def in_folder(self, name: str, split: Split) -> list[str]:
        """Relative paths of this split's pictures below a folder of this name."""
        found = self._by_folder.get(name, [])
        return [picture for picture in found if _split_of(picture) in (split, None)]

    def match(self, ids: Sequence[str], *, split: Split, where: Path) -> list[str]:
        """The file of every id, as absolute paths in the order of `ids`.

        An id is a file name, with or without its extension, or a path of which the file's path is the end
        (`cats/001` is found as `images/cats/001.jpg`). Where the same name exists for train and test, the one in
        a folder of this split (`train`, `train_images`, ...) counts; a file in the other split's folder is only
        taken when this split has no folder of its own.

        Args:
            ids: picture ids exactly as written.
            split: what the ids belong to.
            where: the file that the ids were read from, for messages.

        Raises:
            UserError: ids that leave the folder, have no file, have several files, or share one; says how many
                and names the first few.
        """
        paths: list[str] = []
        leaving: list[str] = []
        missing: list[str] = []
        several: list[tuple[str, list[str]]] = []
        for picture_id in ids:
            try:
                found = self._files_of(picture_id, split)
            except _LeavesFolder:
                leaving.append(picture_id)
                continue
            if not found and self.lenient:
                paths.append(str(self.root / picture_id))
            elif not found:
                missing.append(picture_id)
            elif len(found) > 1:
                several.append((picture_id, found))
            else:
                paths.append(str(self.root / found[0]))
        if leaving:
            raise UserError(
                f"{len(leaving)} {split} ids lead out of the data folder: {first_few(leaving)}",
                where=where,
                fix="An id must name a picture inside it; put copies of linked pictures there.",
            )
        if missing:
            raise UserError(
                f"{len(missing)} of {len(ids)} {split} ids have no picture: {first_few(missing)}",
                where=where,
                fix=self._hint(missing[0], split),
            )
        if several:
            picture_id, found = several[0]
            raise UserError(
                f"{len(several)} {split} ids fit more than one picture: {first_few([i for i, _ in several])}",
                where=where,
                fix=f"{picture_id!r} may be {first_few(found)}; remove all but one, write the id with "
                "its folder, or name the folders that count in competition.yaml (`images: [...]`; masks: `extra_images`).",
            )
        self._refuse_shared(ids, paths, split, where)
        return paths

    def _files_of(self, picture_id: str, split: Split) -> list[str]:
        """Relative paths that fit an id; one, unless something is wrong."""
        parts = [part for part in re.split(r"[/\\]", picture_id) if part not in ("", ".")]
        if picture_id.startswith(("/", "\\")) or PureWindowsPath(picture_id).drive or ".." in parts:
            raise _LeavesFolder
        if not parts:
            return []
        path = "/".join(parts)
        found = _ending_with(path, self._by_name.get(parts[-1], ()), len(parts) > 1, strip=False)
        found = found or _ending_with(path, self._by_stem.get(parts[-1], ()), len(parts) > 1, strip=True)
        if len(parts) > 1:
            whole = [picture for picture in found if path in (picture, _without_suffix(picture))]
            if whole:
                return self._inside(whole)
        own = [picture for picture in found if _split_of(picture) == split]
        if not own:
            own = [
                picture for picture in found if _split_of(picture) is None or not self.split_folders[split]
            ]
        return self._inside(own)

    def _inside(self, pictures: list[str]) -> list[str]:
        """The same without second names of one file.

        Raises:
            _LeavesFolder: a link leads out of the folder.
        """
        if self.links.isdisjoint(pictures):
            return pictures
        real: dict[Path, str] = {}
        for picture in pictures:
            target = (self.root / picture).resolve()
            if not target.is_relative_to(self.root):
                raise _LeavesFolder
            real.setdefault(target, picture)
        return list(real.values())

    def _hint(self, picture_id: str, split: Split) -> str:
        """What may help to find the first missing picture."""
        if not self.pictures:
            text = "There is not one picture in the data folder; unpack the competition's pictures into it."
        else:
            name = re.split(r"[/\\]", picture_id)[-1]
            near = self._by_name.get(name) or self._by_stem.get(_without_suffix(name), [])
            text = f"{counted(len(self.pictures), 'picture', 'was', 'were')} found, e.g. {self.pictures[0]!r}"
            if near:
                text += f"; near the first missing one: {first_few(near, 2)}"
            text += f". Complete the {split} pictures or remove these rows."
        if self.outside:
            text += f" Links that leave the folder are not followed: {first_few(self.outside)}."
        return text

    def _refuse_shared(self, ids: Sequence[str], paths: list[str], split: Split, where: Path) -> None:
        owner: dict[str, str] = {}
        for picture_id, path in zip(ids, paths, strict=True):
            other = owner.setdefault(path, picture_id)
            if other != picture_id:
                raise UserError(
                    f"{split} ids {other!r} and {picture_id!r} name the same picture {path}",
                    where=where,
                    fix="Keep one row for each picture.",
                )


def inside(path: Path, root: Path) -> Path:
    """The path, if it does not lead out of the data folder.

    Raises:
        UserError: it is a link to somewhere else.
    """
    if not path.resolve().is_relative_to(root):
        raise UserError(
            "this link leads out of the data folder", where=path, fix="Put a copy of the file there."
        )
    return path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself is neither folder nor file
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _without_suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix}".lower() in PICTURE_SUFFIXES else name


def _ending_with(path: str, pictures: Iterable[str], has_folder: bool, *, strip: bool) -> list[str]:
    """Those pictures whose path is `path` or ends with it, folder by folder."""
    if not has_folder:
        return list(pictures)
    return [
        picture
        for picture in pictures
        if f"/{_without_suffix(picture) if strip else picture}".endswith(f"/{path}")
    ]


def _split_of(picture: str) -> Split | None:
    folder, _, _ = picture.rpartition("/")
    return _split_of_folder(folder)


def _split_of_folder(folder: str) -> Split | None:
    """By the outermost folder that says it: `train/test_bench/a.jpg` is a training picture."""
    for part in folder.split("/"):
        named = _SPLIT_FOLDER.fullmatch(part)
        if named:
            return "train" if named[1].lower() == "train" else "test"
    return None
