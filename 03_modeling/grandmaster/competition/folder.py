"""What lies in a competition's folder, before anything is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from grandmaster.competition.csv_files import first_few, read_table
from grandmaster.competition.description import FILE_NAME, described
from grandmaster.competition.files import PictureIndex, inside
from grandmaster.config import DataConfig
from grandmaster.errors import UserError, did_you_mean
from grandmaster.texts import counted

# Compared without case, `_`, `-` and blanks: `sampleSubmission.csv` is the sample too. The first row of patterns
# that any file fits decides; nothing else is opened, for it could be the competition's answers.
TABLE_NAMES: dict[str, tuple[str, ...]] = {
    "train": ("train", "labels?|train(ing)?(labels?|set|data|meta|metadata)|training", "train.+"),
    "test": ("test",),
    "sample": ("samplesubmission", "samplesub.*|submissionsample|submissionformat|.*samplesubmission.*"),
}
USUAL_NAMES = {"train": "train", "test": "test", "sample": "sample_submission"}


class NotThisLayout(Exception):
    """The folder is not laid out in the way that was tried; the text says what speaks against it."""


@dataclass(frozen=True, kw_only=True)
class CompetitionFolder:
    """The files of one competition, found; the tables are read when a layout asks for them.

    Attributes:
        root: the folder, absolute.
        config: the settings, with what `competition.yaml` says where they were open.
        said: lines on what that file decided.
        pictures: every picture below the root, or those in the folders that the settings name.
        everything: every picture below the root, also what is registered as a further image of another.
    """

    root: Path
    config: DataConfig
    said: tuple[str, ...]
    pictures: PictureIndex
    everything: PictureIndex

    @classmethod
    def of(cls, root: Path, config: DataConfig) -> CompetitionFolder:
        """Look into a folder.

        Raises:
            UserError: it is not there, no folder, or cannot be read; `competition.yaml` is wrong.
        """
        try:
            there = root.exists()
        except OSError as error:
            raise UserError(f"cannot be looked at: {error.strerror or error}", where=root) from error
        if not there:
            beside = [path.name for path in root.parent.iterdir()] if root.parent.is_dir() else []
            few = 0 < len(beside) <= 20
            fix = did_you_mean(root.name, beside) if few else "Give the folder that holds train.csv."
            raise UserError("there is no such folder", where=root, fix=fix)
        if not root.is_dir():
            raise UserError("this is a file, not a folder", where=root, fix="Give the folder it lies in.")
        root = root.resolve()
        config, said = described(root, config)
        pictures = everything = PictureIndex.of(root)
        if config.images is not None:
            pictures = pictures.only_in(config.images)
        return cls(root=root, config=config, said=said, pictures=pictures, everything=everything)

    @cached_property
    def _paths(self) -> dict[str, Path]:
        """Role -> file; a role that nothing fits is left out."""
        files = {
            path: re.sub(r"[_\-\s]", "", path.stem.lower())
            for path in sorted(self.root.iterdir())
            if path.suffix.lower() == ".csv" and path.is_file()
        }
        found: dict[str, Path] = {}
        for role, patterns in TABLE_NAMES.items():
            named = getattr(self.config, role)
            if named is not None:
                found[role] = self._named(role, named)
                continue
            for pattern in patterns:
                fitting = [path for path, name in files.items() if re.fullmatch(pattern, name)]
                if len(fitting) > 1:
                    raise UserError(
                        f"{first_few([path.name for path in fitting])} may each be the {role} table",
                        where=self.root,
                        fix=f"Keep one, or say which in {FILE_NAME}: `{role}: {fitting[0].name}`.",
                    )
                if fitting:
                    found[role] = inside(fitting[0], self.root)
                    break
        return found

    def _named(self, role: str, name: str) -> Path:
        """The file that the settings name.

        Raises:
            UserError: there is none in this folder.
        """
        path = self.root / name
        try:
            there = path.resolve().is_relative_to(self.root) and path.is_file()
        except (OSError, ValueError):  # a name that no file can have
            there = False
        if not there:
            raise UserError(
                f"there is no file {name!r} (data.{role})",
                where=self.root,
                fix=did_you_mean(name, self.pictures.tables),
            )
        return path.resolve()

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {}

    def has(self, role: str) -> bool:
        """Whether there is such a CSV table: "train", "test" or "sample"."""
        return role in self._paths and self._paths[role].suffix.lower() == ".csv"

    def path(self, role: str) -> Path:
        """Where that table lies.

        Raises:
            NotThisLayout: there is none.
        """
        if not self.has(role):
            raise NotThisLayout(f"there is no {USUAL_NAMES[role]}.csv")
        return self._paths[role]

    def described_as_json(self, role: str) -> Path | None:
        """The JSON file that the settings name for a role, if they do."""
        path = self._paths.get(role)
        return path if path is not None and path.suffix.lower() == ".json" else None

    def table(self, role: str) -> pd.DataFrame:
        """That table, every cell a string, index: line in the file.

        Raises:
            NotThisLayout: there is none.
            UserError: it cannot be read.
        """
        path = self.path(role)
        if role not in self._tables:
            self._tables[role] = read_table(path)
        return self._tables[role]

    def contents(self) -> str:
        """What was found, in one line, for a message; names files and folders, reads none."""
        tables = first_few(self.pictures.tables) if self.pictures.tables else "no CSV or JSON file"
        folders = sorted(f"{folder}/" for folder in self.pictures.folders)
        pictures = counted(len(self.pictures.pictures), "picture")
        text = f"{tables}; {pictures}" + (f" in {first_few(folders)}" if folders else "")
        deeper = [table for table in self.pictures.tables if table.lower().endswith("/train.csv")]
        if deeper and not self.has("train"):
            text += f"; give the folder {str(self.root / deeper[0].rpartition('/')[0])!r} instead?"
        return text
