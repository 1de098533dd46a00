"""Which mode a model may be trained in, in the same words everywhere; and which is advisable for so many pictures."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Literal

import msgspec

from grandmaster.config import TrainingMode
from grandmaster.errors import UserError
from grandmaster.models.registry.entry import ModelEntry, Task
from grandmaster.models.registry.table import ENTRIES
from grandmaster.texts import counted

# small: fine-tune a small model; any: fine-tune any; optional: fine-tuning is better, full training possible; both: either.
Advice = Literal["small", "any", "optional", "both"]

# By task: from so many pictures on (pairs in super-resolution). Those of pose are what its models' requirements say.
ADVICE: dict[Task, tuple[tuple[int, Advice], ...]] = {
    "classification": ((0, "small"), (1_000, "any"), (10_000, "optional"), (100_001, "both")),
    "detection": ((0, "small"), (500, "any"), (5_000, "optional"), (50_001, "both")),
    "segmentation": ((0, "small"), (300, "any"), (3_001, "optional")),
    "pose": ((0, "small"), (500, "any"), (5_000, "optional"), (20_001, "both")),
    "super_resolution": ((0, "any"),),
}
_WORDS: dict[Advice, str] = {
    "small": "fine_tuning of a small model",
    "any": "fine_tuning",
    "optional": "fine_tuning (full_training is possible)",
    "both": "fine_tuning or full_training",
}
NAMED_MODELS = 3
# A mode of the command is called full_training, too: alone that name does not say what a person wants to know.
MODE_TITLES: dict[str, str] = {
    "full_training": "from scratch",
    "fine_tuning": "fine-tuned",
    "inference_only": "as loaded",
}


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What is advisable.

    Attributes:
        modes: best first; others are not advisable.
        models: ids, of the registry's order.
        text: all of it in a few words.
    """

    advice: Advice
    modes: tuple[TrainingMode, ...]
    models: tuple[str, ...]
    text: str


def recommend(task: Task, images: int) -> Recommendation:
    """What to do with so many labelled pictures (Model Training Modes Analysis, defaults by size of the data set)."""
    advice = next(advice for least, advice in reversed(ADVICE[task]) if images >= least)
    modes: tuple[TrainingMode, ...] = (
        ("fine_tuning", "full_training") if advice in ("optional", "both") else ("fine_tuning",)
    )
    models = tuple(
        entry.id
        for entry in ENTRIES.values()
        if entry.task == task
        and "fine_tuning" in entry.training_modes.supported
        and (entry.small or advice != "small")
    )
    text = _WORDS[advice]
    if advice == "small":
        text += f" such as {', '.join(models[:NAMED_MODELS])}"
    return Recommendation(advice=advice, modes=modes, models=models, text=text)


def shown_mode(mode: str) -> str:
    """A training mode as a person is told of it, with the name that settings have for it: `from scratch (full_training)`."""
    return f"{MODE_TITLES[mode]} ({mode})" if mode in MODE_TITLES else mode


def shown_decision(name: str, value: Any) -> Any:
    """The value of a decision of a plan as a person is told of it."""
    return shown_mode(value) if name == "training_mode" and isinstance(value, str) else value


def refusal(entry: ModelEntry, mode: TrainingMode) -> str | None:
    """Why a mode is not offered for a model; None: it is."""
    modes = entry.training_modes
    if mode in modes.supported:
        return None
    why = f" ({modes.refused[mode]})" if mode in modes.refused else ""
    return f"{entry.id} does not support {mode}{why}; supported: {', '.join(modes.supported)}"


def require_mode(entry: ModelEntry, mode: TrainingMode) -> None:
    """Refuse a mode that is not offered for a model.

    Raises:
        UserError: with the words of `refusal`.
    """
    why = refusal(entry, mode)
    if why is not None:
        raise UserError(
            why, where="training.mode", fix=f"Set it to {entry.training_modes.recommended}, or leave it open."
        )


def badge(entry: ModelEntry) -> str:
    """What keeps a model from being trained here; empty: nothing."""
    if entry.extra and find_spec(entry.extra) is None:
        return "extra not installed"
    return "" if entry.backbone is not None else "task not here yet"


def require_trainable(entry: ModelEntry) -> None:
    """Refuse a model whose task cannot be trained here.

    Raises:
        UserError: with what is missing.
    """
    if entry.backbone is None:
        raise UserError(
            f"{entry.id} is for {entry.task.replace('_', '-')} ({badge(entry)}): only classifiers of timm are trained here",
            where="model.backbones",
            fix="See which there are: python 04_training/models.py --task classification",
        )


def mode_warnings(wanted: Sequence[tuple[ModelEntry, TrainingMode]], images: int) -> tuple[str, ...]:
    """What to beware of before models are trained on so many pictures, with what is advisable instead.

    Args:
        wanted: each model with its mode. Models of one concern share a line.
    """
    together: dict[str, list[str]] = {}
    for entry, mode in wanted:
        concern = _concern(entry, mode, images)
        if concern is not None:
            together.setdefault(concern, []).append(entry.id)
    return tuple(concern.replace("{names}", ", ".join(names)) for concern, names in together.items())


def _concern(entry: ModelEntry, mode: TrainingMode, images: int) -> str | None:
    """One sentence about `{names}`, and one about what is advisable; None: nothing to beware of."""
    if mode == "inference_only":
        return None
    advised = recommend(entry.task, images)
    instead = f"Recommended for {counted(images, 'picture')}: {advised.text}."
    stated = entry.training_modes.requirements.get(mode)
    if mode in entry.training_modes.discouraged:
        needs = f": it asks for {_needs(entry, mode)}" if stated else ""
        return f"{mode} of {{names}} is discouraged{needs}. {instead}"
    if mode == "full_training" and mode not in advised.modes:
        needs = f" ({_needs(entry, mode)})" if stated and stated.min_images else ""
        return f"{counted(images, 'picture', 'is', 'are')} few for {mode} of {{names}}{needs}. {instead}"
    if mode == "fine_tuning" and advised.advice == "small" and not entry.small:
        return f"{counted(images, 'picture', 'is', 'are')} few for {mode} of {{names}}. {instead}"
    return None


def _needs(entry: ModelEntry, mode: TrainingMode) -> str:
    stated = entry.training_modes.requirements[mode]
    parts = [part for part in (stated.images, stated.gpu, stated.time) if part]
    return f"{', '.join(parts)}; {stated.source}"
