"""What a run decided otherwise than planned for want of time: said, kept in a file, and gone by when it is resumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from grandmaster.errors import UserError
from grandmaster.pipeline.clock import Clock
from grandmaster.pipeline.plan import ModelPlan
from grandmaster.progress import Progress
from grandmaster.storage import read_json, write_json

FILE_NAME = "revisions.json"


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision.

    Attributes:
        at: seconds after the start of the command that took it.
        limit: seconds, of that command.
        text: what was given up, and why.
    """

    at: float
    limit: float | None
    text: str


class RevisedEpochs(msgspec.Struct, frozen=True, kw_only=True):
    """Epochs of a fit as they were when it was begun, and as the plan had them."""

    planned: int
    epochs: int


class _Content(msgspec.Struct, kw_only=True):
    revisions: list[Revision] = []
    epochs: dict[str, RevisedEpochs] = {}
    added: list[tuple[str, int]] = []


def fit_name(model: ModelPlan, fold: int) -> str:
    """A fit, as messages and `revisions.json` call it."""
    return f"{model.backbone} fold {fold}"


class Revisions:
    """The content of `revisions.json`; there is no file while all goes as planned.

    Raises:
        UserError: the file is not what this class writes.
    """

    def __init__(self, folder: Path, clock: Clock, progress: Progress) -> None:
        self._path, self._clock, self._progress = folder / FILE_NAME, clock, progress
        self._content = _Content()
        if self._path.exists():
            try:
                self._content = msgspec.convert(read_json(self._path), _Content)
            except msgspec.ValidationError as error:
                raise UserError(f"bad revisions: {error}", where=self._path, fix="Delete the file.") from None

    def epochs(self, model: ModelPlan, fold: int) -> int:
        """Epochs of a fit: as revised when it was begun, unless the plan was edited since; else as planned."""
        revised = self._content.epochs.get(fit_name(model, fold))
        return revised.epochs if revised is not None and revised.planned == model.epochs else model.epochs

    def set_epochs(self, model: ModelPlan, fold: int, epochs: int) -> None:
        """A fit is about to begin with other epochs than planned, or (the plan's) as planned after all.

        What it is given while it goes on is in its own state.
        """
        name = fit_name(model, fold)
        if epochs == model.epochs:
            if self._content.epochs.pop(name, None) is None:
                return
        else:
            self._content.epochs[name] = RevisedEpochs(planned=model.epochs, epochs=epochs)
        write_json(self._path, self._content)

    def added(self, models: Sequence[ModelPlan]) -> list[tuple[ModelPlan, int]]:
        """Fits beyond the planned ones, for which time was left: model and fold."""
        known = {model.backbone: model for model in models}
        return [(known[name], fold) for name, fold in self._content.added if name in known]

    def add(self, model: ModelPlan, fold: int) -> None:
        """There is time for a fit that the plan does not have."""
        self._content.added.append((model.backbone, fold))
        self.say(f"{fit_name(model, fold)} is added: there is time left for it")

    def say(self, text: str) -> None:
        """A decision: shown, logged and kept."""
        self._progress.message(f"Time limit: {text}", "warn")
        line = Revision(at=round(self._clock.elapsed(), 1), limit=self._clock.limit, text=text)
        self._content.revisions.append(line)
        write_json(self._path, self._content)

    def lines(self) -> list[str]:
        """Every decision, the oldest first."""
        return [f"after {revision.at:.0f} s: {revision.text}" for revision in self._content.revisions]
