"""What all stages of one run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pandas as pd
import psutil

from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.images.store import PictureStore
from grandmaster.pipeline.channels import extra_files, extra_settings, extra_stamps
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.failures import Failures
from grandmaster.pipeline.hardware import Hardware
from grandmaster.pipeline.picture_room import picture_room
from grandmaster.pipeline.plan import Plan, TrainingAugmentation, read_plan
from grandmaster.pipeline.revisions import Revisions
from grandmaster.progress import Progress
from grandmaster.stopwatch import Kind
from grandmaster.storage import digest, read_json, write_json
from grandmaster.training.precision import Precision, PrecisionName

# Pictures in memory may take this share of what is free; the rest belongs to training.
STORE_SHARE_OF_MEMORY = 0.35

Told = TypeVar("Told")


@dataclass(kw_only=True)
class RunContext:
    """One run; stages hand results to each other through files in `folder` only.

    What is kept here besides the request are caches of those files and of decoded pictures.

    Attributes:
        clock: how much time is left.
        disk_needed: bytes that the fits which are left will take of the disk.
        predicted: files of test predictions that this process made or found made.
        workers_lost: a picture-loading process was killed or hung; no more of them are started.
        fewer_workers_said: there is room for fewer of them than wanted, and the person knows.
    """

    folder: Path
    competition: Competition
    config: Config
    hardware: Hardware
    mode: str
    command: str
    models_wanted: int
    progress: Progress
    clock: Clock = field(default_factory=Clock)
    disk_needed: int = 0
    predicted: set[Path] = field(default_factory=set)
    workers_lost: bool = False
    fewer_workers_said: bool = False
    _stores: dict[tuple[str, int], PictureStore] = field(default_factory=dict)

    @property
    def cache_folder(self) -> Path:
        """What all runs of a results folder share: beside their folders."""
        return self.folder.parent / ".cache"

    @cached_property
    def data_hash(self) -> str:
        """Changes when an id, a target, a group, a row or a picture file (by size and time) does."""
        competition = self.competition
        entries = []
        for frame in (competition.train, competition.test):
            groups = frame["group"] if "group" in frame else frame["row"]
            for picture_id, path, group, row in zip(
                frame["id"], frame["path"], groups, frame["row"], strict=True
            ):
                facts = Path(path).stat() if Path(path).exists() else None
                stamp = (facts.st_size, facts.st_mtime_ns) if facts else None
                entries.append((picture_id, group, row, stamp))
            entries += extra_stamps(competition, frame)
        return digest([competition.classes_hash, competition.targets.tolist(), entries])

    @cached_property
    def contents(self) -> list[Any]:
        """What is in every trainable picture: a replaced one makes another fit, a copied folder does not.

        The hash of their bytes; the sizes of further images of a picture, which nobody reads before training.
        """
        extras = [extra.key for extra in self.competition.extra_images]
        sizes = [Path(path).stat().st_size for column in extras for path in self.trainable[column]]
        return [self.fingerprint.get("contents"), sizes]  # that of an earlier version has none

    @cached_property
    def pictures_hash(self) -> str:
        """Of what is trained and validated on; asked for by every fit, and long to compute for many pictures."""
        return digest(
            [
                self.trainable[["id", "row", "fold"]].to_numpy().tolist(),
                self.targets().tolist(),
                self.contents,
                *extra_settings(self.competition),
            ]
        )

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The content of `fingerprint.json`."""
        known: dict[str, Any] = read_json(self.folder / "fingerprint.json")
        return known

    @cached_property
    def shift(self) -> dict[str, Any]:
        """The content of `shift.json`."""
        known: dict[str, Any] = read_json(self.folder / "shift.json")
        return known

    @cached_property
    def plan(self) -> Plan:
        """The plan as it stands on disk."""
        return read_plan(self.folder / "plan.json", self.competition)

    @cached_property
    def revisions(self) -> Revisions:
        """What was decided otherwise than planned, for want of time."""
        return Revisions(self.folder, self.clock, self.progress)

    @cached_property
    def failures(self) -> Failures:
        """Fits that could not be carried out."""
        return Failures(self.folder)

    @property
    def augmentation(self) -> TrainingAugmentation:
        """What training pictures undergo: as planned, or what won the trial."""
        path = self.folder / "trial.json"
        if self.plan.decisions.trial.value and path.exists():
            return self.plan.candidates()[read_json(path)["won"]]
        return self.plan.augmentation

    @property
    def found_rates(self) -> dict[str, float]:
        """Peak rates that range tests found, by backbone; empty where none was asked for."""
        path = self.folder / "rates.json"
        if not self.config.training.find_rate or not path.exists():
            return {}
        return {name: found["rate"] for name, found in read_json(path).items()}

    @cached_property
    def folds(self) -> pd.DataFrame:
        """Columns `id`, `group`, `fold`."""
        return pd.read_csv(
            self.folder / "folds.csv", dtype={"id": str, "group": str, "fold": int}, keep_default_na=False
        )

    def make_precision(self, name: PrecisionName | None = None) -> Precision:
        """The plan's device and number format, new for each fit: a loss scale is not handed from fit to fit.

        Args:
            name: of the format, instead of the plan's.

        Raises:
            UserError: the plan is for a device or a format that this machine does not have.
        """
        device, name = self.plan.decisions.device.value, name or self.plan.decisions.precision.value
        if device == "cuda" and self.hardware.device != "cuda":
            raise UserError(
                "the plan is for a GPU and there is none here",
                where=self.folder / "plan.json",
                fix="Go on where there is one, or start anew with another --experiment_name.",
            )
        if device == "cpu" and name == "fp16":
            raise UserError("fp16 cannot train on a CPU", where=self.folder / "plan.json", fix="Use fp32.")
        return Precision(device, name)

    @cached_property
    def trainable(self) -> pd.DataFrame:
        """The training pictures that can be read, in sorted order of id.

        Columns `id`, `path`, `row`, `place` (of its target), `group` (what stays in one fold), `fold`, `extra_<name>`.
        """
        broken = {entry["id"] for entry in self.fingerprint["unreadable"] if entry["split"] == "train"}
        columns = ["id", "path", "row", *(extra.key for extra in self.competition.extra_images)]
        table = self.competition.train[columns].assign(place=range(len(self.competition.train)))
        frame = table.merge(self.folds, on="id", validate="one_to_one")
        return frame[~frame["id"].isin(broken)].sort_values("id", kind="stable").reset_index(drop=True)

    @property
    def readable_test_rows(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Rows of the test table whose pictures can be read."""
        broken = {entry["id"] for entry in self.fingerprint["unreadable"] if entry["split"] == "test"}
        return np.flatnonzero(~self.competition.test["id"].isin(broken).to_numpy())

    def store(self, split: str, size: int) -> PictureStore:
        """Decoded pictures of a split ("train": rows of `trainable`; "test": rows of the test table) at `size` px."""
        key = (split, size)
        if key not in self._stores:
            frame = self.trainable if split == "train" else self.competition.test
            # One size at a time: models of another size come after those of this one.
            for other in [known for known in self._stores if known[0] == split]:
                del self._stores[other]
            self._stores[key] = PictureStore(
                [Path(path) for path in frame["path"]],
                size,
                memory_budget=int(psutil.virtual_memory().available * STORE_SHARE_OF_MEMORY),
                extras=extra_files(self.competition, frame),
                cache=picture_room(
                    self.cache_folder, self.config.hardware.picture_cache_gb, needed=self.disk_needed
                ),
                threads=self.hardware.cores,
            )
        return self._stores[key]

    @property
    def picture_sizes(self) -> list[int]:
        """Sides, px, of the pictures that models are fed: the plan's, or where there is none (a bundle) those decoded."""
        if (self.folder / "plan.json").exists():
            return [model.input_size for model in self.plan.models]
        return sorted({size for _, size in self._stores}) or [0]

    def targets(self) -> np.ndarray[Any, np.dtype[Any]]:
        """Target of every row of `trainable`, as `Competition.targets`."""
        return self.competition.targets[self.trainable["place"].to_numpy()]

    def add_seconds(self, stage: str, seconds: float, steps: Mapping[Kind, float] | None = None) -> None:
        """Remember time spent in a stage, over all starts of this run.

        Args:
            steps: what of it was training, prediction or waiting for pictures.
        """
        known = self.seconds()
        known[stage] = round(known.get(stage, 0.0) + seconds, 2)
        write_json(self.folder / "timings.json", known)
        if steps:
            by_stage = self.steps()
            before = by_stage.get(stage, {})
            by_stage[stage] = {
                kind: round(before.get(kind, 0.0) + steps.get(kind, 0.0), 2) for kind in before | dict(steps)
            }
            write_json(self.folder / "timings_of_steps.json", by_stage)

    def seconds(self) -> dict[str, float]:
        """Seconds spent in each stage so far, as far as the file tells."""
        return self._told("timings.json", dict[str, float])

    def steps(self) -> dict[str, dict[Kind, float]]:
        """What of these seconds were training, prediction and waiting for pictures; stages without any are left out."""
        return self._told("timings_of_steps.json", dict[str, dict[Kind, float]])

    def _told(self, name: str, kind: type[Told]) -> Told:
        path = self.folder / name
        try:
            return msgspec.convert(read_json(path), kind) if path.exists() else kind()
        except (UserError, msgspec.ValidationError):
            return kind()  # damaged, and no reason to stop
