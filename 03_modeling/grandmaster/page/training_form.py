"""What is filled in before a training, as flags of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grandmaster.config import TrainingMode
from grandmaster.errors import UserError
from grandmaster.models.registry import find_entry
from grandmaster.models.registry.modes import require_mode, require_trainable
from grandmaster.models.registry.user_file import added_models


@dataclass(frozen=True, kw_only=True)
class Form:
    """A training as it is asked for; empty and None: the plan decides.

    Attributes:
        minutes: of a time limit.
        settings: lines of `section.field=value`.
    """

    data: Path
    mode: str
    experiment: str
    models: tuple[str, ...] = ()
    folds: int | None = None
    minutes: float | None = None
    preset: str | None = None
    training_mode: TrainingMode | None = None
    weights_dir: Path | None = None
    settings: str = ""
    allow_test_training: bool = False


def flags_of(form: Form) -> list[str]:
    """The flags of the command line that mean the same.

    Raises:
        UserError: a minute that is none, a line that is no setting, or a model that cannot be trained so.
    """
    flags = ["--mode", form.mode, "--data_path", str(form.data), "--experiment_name", form.experiment.strip()]
    settings = settings_of(form.settings)
    if form.models:
        _check_models(form, settings)
        flags += ["--models", ",".join(form.models)]
    if form.weights_dir is not None:
        flags += ["--weights_dir", str(form.weights_dir)]
    if form.folds is not None:
        flags += ["--folds", str(form.folds)]
    if form.preset is not None:
        flags += ["--preset", form.preset]
    if form.minutes is not None:
        if not 0 < form.minutes < 1e6:
            raise UserError(f"{form.minutes:g} minutes are no time limit", fix="Give a number above 0.")
        flags += ["--time_limit", f"{round(form.minutes * 60)}s"]
    if form.training_mode is not None:
        flags += ["--set", f"training.mode={form.training_mode}"]
    for setting in settings:
        flags += ["--set", setting]
    return flags + (["--allow_test_training"] if form.allow_test_training else [])


def settings_of(text: str) -> list[str]:
    """The lines of a field, without empty ones.

    Raises:
        UserError: one of them is no `section.field=value`.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        name, equals, _ = line.partition("=")
        if not equals or "." not in name:
            raise UserError(f"{line!r} is no setting", fix="Write one a line: training.epochs=10")
    return lines


def _check_models(form: Form, settings: Sequence[str]) -> None:
    """Refuse here what the run would refuse, in the same words; models that the person added count too."""
    named = [line.partition("=")[2] for line in settings if line.startswith("model.registry_file=")]
    added = added_models(named[-1] if named else None, form.data)
    for name in form.models:
        entry = find_entry(name, added)
        require_trainable(entry)
        if form.training_mode is not None:
            require_mode(entry, form.training_mode)
