"""What was planned, as `plan.json` and `trial.json` say it."""

from __future__ import annotations

from typing import Any

import msgspec

from grandmaster.language import Speaker
from grandmaster.models.adaptation import Adaptation
from grandmaster.models.weights import non_commercial
from grandmaster.report.fingerprint import Artefact


class Decision(Artefact, frozen=True, kw_only=True):
    """One line of the plan."""

    value: Any = None
    reason: str | None = None


class Start(Artefact, frozen=True, kw_only=True):
    """Where a model starts from."""

    source: str | None = None

    @property
    def name(self) -> str | None:
        """Without the folders of a file: a page is shown to others."""
        return None if self.source is None else self.source.rsplit("/", 1)[-1]


class ModelPlan(Artefact, frozen=True, kw_only=True):
    """What was planned for one backbone."""

    backbone: str
    timm_name: str | None = None
    weights: Start = Start()
    licence: str | None = None
    adaptation: Adaptation | None = None
    input_size: int | None = None
    micro_batch: int | None = None
    accumulation: int | None = None
    grad_checkpointing: bool | None = None
    epochs: int | None = None
    minutes_per_fold: float | None = None
    memory_gb: float | None = None

    @property
    def non_commercial(self) -> bool:
        """Whether the weights' licence forbids commercial use."""
        return self.licence is not None and non_commercial(self.licence)


class Operation(Artefact, frozen=True, kw_only=True):
    """One step of the augmentation."""

    name: str
    probability: float | None = None
    reason: str | None = None


class ClassPolicy(Artefact, frozen=True, kw_only=True):
    """The augmentation of a group of classes."""

    name: str
    classes: tuple[str, ...] = ()
    operations: tuple[Operation, ...] = ()
    reason: str | None = None


class Plan(Artefact, frozen=True, kw_only=True):
    """`plan.json`."""

    decisions: dict[str, Decision] = msgspec.field(default_factory=dict)
    operations: tuple[Operation, ...] = ()
    class_policies: tuple[ClassPolicy, ...] = ()
    models: tuple[ModelPlan, ...] = ()
    folds_total: int | None = None
    folds_trained: int | None = None

    def lines(self, say: Speaker) -> list[tuple[str, Any, str | None]]:
        """(name, value, reason) of each decision, as a person is told of it."""
        return [
            (name, _shown(name, decision.value, say), decision.reason)
            for name, decision in self.decisions.items()
        ]


def _shown(name: str, value: Any, say: Speaker) -> Any:
    """As `models.registry.modes.shown_decision`, in the page's language."""
    named = f"modes.{value}"
    return f"{say(named)} ({value})" if name == "training_mode" and named in say.texts else value


class Trial(Artefact, frozen=True, kw_only=True):
    """`trial.json`: which augmentation won in short fits."""

    backbone: str | None = None
    epochs: int | None = None
    won: str | None = None
    text: str | None = None
