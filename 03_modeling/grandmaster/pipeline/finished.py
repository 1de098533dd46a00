"""Runs that are over, opened again to be compared, chosen from, or kept in a ledger. Nothing in their folders is changed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from grandmaster.competition.label_fixes import with_label_fixes
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.reader import read_competition
from grandmaster.competition.table import Competition
from grandmaster.config import Config, DataConfig
from grandmaster.errors import UserError
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.hardware import read_hardware
from grandmaster.pipeline.run_files import require_finished
from grandmaster.progress import SilentProgress
from grandmaster.storage import read_json, read_object


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run with a result.

    Attributes:
        context: for judging; its hardware is this machine's.
        results: the content of `final_results.json`.
    """

    folder: Path
    context: RunContext
    results: dict[str, Any]

    @property
    def name(self) -> str:
        """Its experiment name."""
        return self.folder.name

    @property
    def like_test(self) -> bool:
        """Whether its score on corrupted validation pictures is the one that foretells the board."""
        return bool(self.context.plan.corruption) and self.predictions("oof_corrupted") is not None

    def predictions(self, kind: str) -> Predictions | None:
        """Of its blend: "oof", "oof_corrupted" or "test"; None where it has none."""
        path = self.folder / "ensemble" / f"{kind}.npz"
        return Predictions.load(path) if path.exists() else None


def open_run(folder: Path, *, data_path: Path | None = None) -> FinishedRun:
    """Open the folder of a run that came to its end.

    Args:
        data_path: where the competition lies now; None: where it lay then.

    Raises:
        UserError: no run, not finished, or its data are gone.
    """
    require_finished(folder)
    settings = read_object(folder / "config.json")
    data = Path(data_path or str(settings.get("data_path")))
    if not data.is_dir():
        raise UserError(
            f"the run's data are gone: {data}",
            where=folder,
            fix="Say where the competition's folder is now, with --data_path.",
        )
    sections = {name: settings[name] for name in Config.__struct_fields__ if name in settings}
    try:
        config = msgspec.convert(sections, Config)
    except msgspec.ValidationError as error:
        raise UserError(f"not what a run writes: {error}", where=folder / "config.json") from error
    context = RunContext(
        folder=folder,
        competition=_competition(data, config.data),
        config=config,
        # Where it was trained does not matter here, and may not be where this is.
        hardware=read_hardware(msgspec.structs.replace(config.hardware, device="cpu", precision="auto")),
        mode=settings.get("mode", ""),
        command="",
        models_wanted=settings.get("models_wanted", 1),
        progress=SilentProgress(),
    )
    return FinishedRun(folder=folder, context=context, results=read_json(folder / "final_results.json"))


@functools.lru_cache(maxsize=4)
def _competition(data: Path, settings: DataConfig) -> Competition:
    return with_label_fixes(read_competition(data, settings), settings.label_fixes)
