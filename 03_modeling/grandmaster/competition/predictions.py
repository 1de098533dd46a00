"""What models say, keyed by id: the only form in which predictions travel."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from grandmaster.errors import UserError
from grandmaster.storage import NPZ_DAMAGE, write_atomic

Kept = TypeVar("Kept")


def save_values(
    path: Path, ids: Sequence[str], outputs: Sequence[str], values: npt.NDArray[np.float32]
) -> None:
    """Write `.npz` without pickle, atomically."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        ids=np.array(ids, dtype=np.str_),
        outputs=np.array(outputs, dtype=np.str_),
        values=values,
    )
    write_atomic(path, buffer.getvalue())


def load_values(path: Path, make: Callable[..., Kept], what: str) -> Kept:
    """`make(ids=, outputs=, values=)` of what `save_values` wrote.

    Raises:
        UserError: missing or not such a file ("not a `what`").
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            return make(
                ids=tuple(data["ids"].tolist()),
                outputs=tuple(data["outputs"].tolist()),
                values=data["values"],
            )
    except NPZ_DAMAGE as error:
        raise UserError(f"not a {what}: {error}", where=path, fix="Delete it and run again.") from error


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model says of n pictures: c numbers for each.

    Attributes:
        ids: n different picture ids.
        outputs: names of the c numbers, in the competition's frozen order (`Competition.outputs`).
        values: float32, shape (n, c). Class probabilities, rows summing to 1 (multiclass); independent
            probabilities (multilabel); values in the target's own unit (ordinal, regression).
    """

    ids: tuple[str, ...]
    outputs: tuple[str, ...]
    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        shape = (len(self.ids), len(self.outputs))
        if self.values.shape != shape:
            raise ValueError(f"values have shape {self.values.shape}, ids and outputs say {shape}")
        if len(set(self.ids)) != len(self.ids):
            seen: set[str] = set()
            twice = next(i for i in self.ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise ValueError(f"id {twice!r} is predicted twice")
        if not np.isfinite(self.values).all():
            row = int(np.flatnonzero(~np.isfinite(self.values).all(axis=1))[0])
            raise ValueError(f"prediction of id {self.ids[row]!r} is not finite")

    def save(self, path: Path) -> None:
        """Write as `.npz` without pickle, atomically."""
        save_values(path, self.ids, self.outputs, self.values)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what `save` wrote.

        Raises:
            UserError: missing or not such a file.
        """
        return load_values(path, cls, "predictions file")

    def aligned_to(self, ids: Sequence[str]) -> Predictions:
        """The same predictions in the order of `ids`.

        Raises:
            ValueError: an id has no prediction; names the first.
        """
        position = {picture_id: row for row, picture_id in enumerate(self.ids)}
        missing = [picture_id for picture_id in ids if picture_id not in position]
        if missing:
            raise ValueError(f"{len(missing)} ids have no prediction, the first is {missing[0]!r}")
        rows = [position[picture_id] for picture_id in ids]
        return Predictions(ids=tuple(ids), outputs=self.outputs, values=self.values[rows])

    def mean_over(self, rows: Mapping[str, str]) -> Predictions:
        """The mean of the pictures of each row of a submission.

        Args:
            rows: picture id -> row; of every picture.

        Returns:
            A prediction for each row, in the order in which their first pictures come; means are taken in float64.

        Raises:
            ValueError: a picture has no row; names the first.
        """
        missing = [picture_id for picture_id in self.ids if picture_id not in rows]
        if missing:
            raise ValueError(f"{len(missing)} ids belong to no row, the first is {missing[0]!r}")
        place: dict[str, int] = {}
        places = np.array(
            [place.setdefault(rows[picture_id], len(place)) for picture_id in self.ids], np.int64
        )
        sums = np.zeros((len(place), len(self.outputs)))
        np.add.at(sums, places, self.values)
        means = sums / np.bincount(places, minlength=len(place))[:, None]
        return Predictions(ids=tuple(place), outputs=self.outputs, values=means.astype(np.float32))
