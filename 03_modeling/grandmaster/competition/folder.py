"""What lies in a competition's folder, before anything is made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from grandmaster.competition.csv_files import first_few, read_table
from grandmaster.competition.files import PictureIndex
from grandmaster.config import DataConfig
from grandmaster.errors import UserError, did_you_mean

# Compared without case, `_`, `-` and blanks: `sampleSubmission.csv` is the sample too.
TABLE_NAMES = {"train": "train", "test": "test", "sample": "samplesubmission"}


class NotThisLayout(Exception):
    """The folder is not laid out in the way that was tried; the text says what speaks against it."""


@dataclass(frozen=True, kw_only=True)
class CompetitionFolder:
    """The files of one competition, found; the tables are read when a layout asks for them.

    Attributes:
        root: the folder, absolute.
        config: the settings that name columns.
        pictures: every picture below the root.
    """

    root: Path
    config: DataConfig
    pictures: PictureIndex

    @classmethod
    def of(cls, root: Path, config: DataConfig) -> CompetitionFolder:
        """Look into a folder.

        Raises:
            UserError: it is not there, no folder, or cannot be read.
        """
        if not root.exists():
            beside = [path.name for path in root.parent.iterdir()] if root.parent.is_dir() else []
            few = 0 < len(beside) <= 20
            fix = did_you_mean(root.name, beside) if few else "Give the folder that holds train.csv."
            raise UserError("there is no such folder", where=root, fix=fix)
        if not root.is_dir():
            raise UserError("this is a file, not a folder", where=root, fix="Give the folder it lies in.")
        root = root.resolve()
        return cls(root=root, config=config, pictures=PictureIndex.of(root))

    @cached_property
    def _paths(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(self.root.iterdir()):
            name = re.sub(r"[_\-\s]", "", path.stem.lower())
            if path.suffix.lower() != ".csv" or not path.is_file():
                continue
            for role, wanted in TABLE_NAMES.items():
                if name == wanted and role in found:
                    raise UserError(
                        f"both {found[role].name} and {path.name} may be the {role} table",
                        where=self.root,
                        fix="Keep one.",
                    )
                if name == wanted:
                    found[role] = path
        return found

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {role: read_table(path) for role, path in self._paths.items()}

    def has(self, role: str) -> bool:
        """Whether there is such a table: "train", "test" or "sample"."""
        return role in self._paths

    def path(self, role: str) -> Path:
        """Where that table lies.

        Raises:
            NotThisLayout: there is none.
        """
        if role not in self._paths:
            name = {"sample": "sample_submission"}.get(role, role)
            raise NotThisLayout(f"there is no {name}.csv")
        return self._paths[role]

    def table(self, role: str) -> pd.DataFrame:
        """That table, every cell a string, index: line in the file.

        Raises:
            NotThisLayout: there is none.
            UserError: it cannot be read.
        """
        self.path(role)
        return self._tables[role]

    def contents(self) -> str:
        """What was found, in one line, for a message; names files and folders, reads none."""
        tables = first_few(self.pictures.tables) if self.pictures.tables else "no CSV or JSON file"
        folders = sorted(f"{folder}/" for folder in self.pictures.folders)
        pictures = f"{len(self.pictures.pictures)} pictures"
        text = f"{tables}; {pictures}" + (f" in {first_few(folders)}" if folders else "")
        deeper = [table for table in self.pictures.tables if table.lower().endswith("/train.csv")]
        if deeper and not self.has("train"):
            text += f"; give the folder {str(self.root / deeper[0].rpartition('/')[0])!r} instead?"
        return text
