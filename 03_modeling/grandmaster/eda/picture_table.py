"""The statistics of every picture, beside `fingerprint.json`, for whoever wants more than their summary."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grandmaster.errors import UserError
from grandmaster.storage import NPZ_DAMAGE, write_atomic


@dataclass(frozen=True, kw_only=True)
class PictureTable:
    """All n readable pictures, training pictures first, each split in the competition's order.

    Attributes:
        ids: str (n,).
        split: str (n,), "train" or "test".
        names: the k statistics, `eda.statistics.NAMES`.
        values: float64 (n, k); NaN where a picture has no such value.
        fill: int16 (n,): 255 or 0 where corners are filled with white or black, else -1.
    """

    ids: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    fill: npt.NDArray[np.int16]

    def of(self, split: str) -> npt.NDArray[np.float64]:
        """Values of one split, (m, k)."""
        return self.values[self.split == split]

    def save(self, path: Path) -> None:
        """Write as compressed `.npz`, atomically; 100,000 pictures take about 5 MB."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            ids=self.ids,
            split=self.split,
            names=np.array(self.names),
            values=self.values,
            fill=self.fill,
        )
        write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> PictureTable:
        """Read what `save` wrote.

        Raises:
            UserError: no such file, or not one that `save` wrote.
        """
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return cls(
                    ids=file["ids"],
                    split=file["split"],
                    names=tuple(file["names"].tolist()),
                    values=file["values"],
                    fill=file["fill"],
                )
        except FileNotFoundError as error:
            raise UserError("file is missing", where=path) from error
        except NPZ_DAMAGE as error:
            raise UserError(
                "not a table of picture statistics", where=path, fix="Delete it and run again."
            ) from error
