"""The plan: every decision with its value and reason, in a file that a person may edit and that is obeyed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.table import Competition
from grandmaster.config import BatchNormMode, ClassBalance
from grandmaster.errors import UserError, did_you_mean
from grandmaster.images.augment import build_augmentation
from grandmaster.images.class_groups import ClassPolicy
from grandmaster.images.operation import Operation
from grandmaster.images.policy import light_policy
from grandmaster.models.adaptation import Adaptation
from grandmaster.models.memory_format import MemoryFormat
from grandmaster.models.registry.modes import shown_decision
from grandmaster.models.weights import Weights
from grandmaster.pipeline.disk import Kept
from grandmaster.storage import plain, read_bytes, write_atomic
from grandmaster.texts import JSON_DAMAGE, counted
from grandmaster.training.losses import UsedLoss

T = TypeVar("T")
Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Decision(msgspec.Struct, Generic[T], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value and why it was chosen."""

    value: T
    reason: str


class Decisions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all models of the run."""

    metric: Decision[str]
    device: Decision[Literal["cpu", "cuda"]]
    precision: Decision[Literal["fp32", "bf16", "fp16"]]
    folds_total: Decision[Annotated[int, Meta(ge=2)]]
    folds_trained: Decision[Count]
    backbones: Decision[tuple[str, ...]]
    augmentation: Decision[Literal["none", "light", "test_like"]]
    trial: Decision[bool]
    class_groups: Decision[bool]
    mix_probability: Decision[Share]
    loss: Decision[UsedLoss]
    class_balance: Decision[ClassBalance]
    selection: Decision[Literal["clean", "corrupted"]]
    tta_views: Decision[Literal[1, 2, 4, 8]]
    workers: Decision[Annotated[int, Meta(ge=0)]]
    channels: Decision[Count] = Decision(value=3, reason="red, green and blue")
    keep_weights: Decision[Kept] = Decision(value="full", reason="all weights in float32")
    training_mode: Decision[Literal["fine_tuning", "full_training", "inference_only", "mixed"]] = Decision(
        value="mixed", reason="as the weights of each model say"
    )


class ModelPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one backbone is trained on every fold.

    Attributes:
        weights: where it starts from.
        licence: of these weights; "unknown" where nobody states it, "" where none are loaded.
        adaptation: what is changed of them on loading; None where none are loaded.
        input_size: side, px.
        micro_batch, accumulation: pictures a forward pass, forward passes a step.
        epochs: 0 in mode inference_only.
        memory_format, fused, compile: how a step is carried out, see `training.spec.FitSpec`.
        ema_decay: of the averaged weights, per step; 0: off.
        minutes_per_fold: estimate, training and prediction.
        test_minutes_per_fold: the part of it that predicting the test set takes.
        memory_gb: estimated peak, of the GPU or of the process.
        disk_gb: estimated, a fold, while it trains: its best weights and two states to go on from.
        reasons: field -> why, for those that were chosen rather than set.
    """

    backbone: str
    timm_name: str
    weights: Weights
    licence: str = ""
    adaptation: Adaptation | None = None
    input_size: Annotated[int, Meta(ge=32)]
    micro_batch: Count
    accumulation: Count
    grad_checkpointing: bool
    epochs: Annotated[int, Meta(ge=0)]
    learning_rate: Annotated[float, Meta(gt=0.0)]
    layer_decay: Annotated[float, Meta(gt=0.0, le=1.0)]
    ema_decay: Annotated[float, Meta(ge=0.0, lt=1.0)]
    batch_norm: BatchNormMode
    memory_format: MemoryFormat
    fused: bool
    compile: bool
    prediction_batch: Count
    million_parameters: float
    minutes_per_fold: float
    test_minutes_per_fold: float
    memory_gb: float
    disk_gb: float
    reasons: dict[str, str]


class TrainingAugmentation(msgspec.Struct, frozen=True, kw_only=True):
    """What training pictures undergo.

    Attributes:
        operations: of pictures of any class, in order.
        class_policies: of groups of classes, instead.
    """

    operations: tuple[Operation, ...]
    class_policies: tuple[ClassPolicy, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the later stages follow.

    Attributes:
        made_for: hash of what the plan was made from (settings, fingerprint, mode).
        operations: augmentation of training pictures, in order.
        corruption: what the corrupted validation pictures undergo; empty where train and test are alike.
        class_policies: augmentation of groups of classes instead of `operations`; empty unless decided.
        notes: warnings for the person.
    """

    made_for: str
    decisions: Decisions
    operations: tuple[Operation, ...]
    corruption: tuple[Operation, ...]
    class_policies: tuple[ClassPolicy, ...] = ()
    models: tuple[ModelPlan, ...]
    notes: tuple[str, ...] = ()

    @property
    def folds_total(self) -> int:
        """k of the k-fold split."""
        return self.decisions.folds_total.value

    @property
    def folds_trained(self) -> int:
        """How many of them are trained."""
        return self.decisions.folds_trained.value

    @property
    def keep_weights(self) -> Kept:
        """What fits leave on the disk."""
        return self.decisions.keep_weights.value

    @property
    def augmentation(self) -> TrainingAugmentation:
        """What training pictures undergo, unless a trial finds better."""
        return TrainingAugmentation(operations=self.operations, class_policies=self.class_policies)

    def candidates(self) -> dict[str, TrainingAugmentation]:
        """What a trial compares, the simplest first."""
        found = {
            "plain": TrainingAugmentation(operations=light_policy()),
            "fitted": TrainingAugmentation(operations=self.operations),
        }
        return found | ({"by class": self.augmentation} if self.class_policies else {})

    @property
    def total_minutes(self) -> float:
        """Estimate for all models and folds."""
        return sum(model.minutes_per_fold for model in self.models) * self.folds_trained

    def lines(self) -> list[tuple[str, object, str]]:
        """(name, value, reason) of each decision, for tables."""
        named = msgspec.structs.asdict(self.decisions)
        return [
            (name, shown_decision(name, decision.value), decision.reason) for name, decision in named.items()
        ]


def write_plan(path: Path, plan: Plan) -> None:
    """Write JSON with one line a decision, so that it can be read and edited with comfort."""

    def line(value: object) -> str:
        return msgspec.json.encode(plain(value)).decode()

    def lines(values: list[str]) -> str:
        return ",\n    ".join(values)

    decisions = [f'"{name}": {line(value)}' for name, value in msgspec.structs.asdict(plan.decisions).items()]
    models = [
        "{\n      "
        + ",\n      ".join(
            f'"{name}": {line(value)}' for name, value in msgspec.structs.asdict(model).items()
        )
        + "\n    }"
        for model in plan.models
    ]
    parts = [
        f'"made_for": {line(plan.made_for)}',
        '"decisions": {\n    ' + lines(decisions) + "\n  }",
        '"operations": [\n    ' + lines([line(operation) for operation in plan.operations]) + "\n  ]",
        '"corruption": [\n    ' + lines([line(operation) for operation in plan.corruption]) + "\n  ]",
        '"class_policies": [\n    ' + lines([line(policy) for policy in plan.class_policies]) + "\n  ]",
        '"models": [\n    ' + lines(models) + "\n  ]",
        f'"notes": {line(plan.notes)}',
    ]
    write_atomic(path, "{\n  " + ",\n  ".join(parts) + "\n}\n")


def read_plan(path: Path, competition: Competition) -> Plan:
    """Read a plan, perhaps edited by a person, and check that it can be followed.

    Raises:
        UserError: missing, not to be read, not JSON, an unknown key, a value out of range, or decisions that contradict each other.
    """
    try:
        plan = msgspec.json.decode(read_bytes(path), type=Plan)
    except JSON_DAMAGE as error:
        raise UserError(
            f"bad plan: {error}", where=path, fix="Mend the line, or delete the file to have it made anew."
        ) from None
    decided = plan.decisions
    if decided.folds_trained.value > decided.folds_total.value:
        raise UserError(
            f"folds_trained is {decided.folds_trained.value}, folds_total is {decided.folds_total.value}",
            where=path,
        )
    names = [model.backbone for model in plan.models]
    if list(decided.backbones.value) != names:
        raise UserError(
            f"decisions.backbones is {', '.join(decided.backbones.value)}, but models has {', '.join(names)}",
            where=path,
            fix="Change both alike.",
        )
    _check_mode(path, plan)
    if decided.metric.value not in METRICS:
        raise UserError(
            f"unknown metric {decided.metric.value!r}",
            where=path,
            fix=did_you_mean(decided.metric.value, METRICS),
        )
    if decided.metric.value != competition.metric:
        raise UserError(
            f"decisions.metric is {decided.metric.value}, the competition is read with {competition.metric}",
            where=path,
            fix=f"Set it with --set data.metric={decided.metric.value} instead.",
        )
    if decided.channels.value != competition.channels:
        raise UserError(
            f"decisions.channels is {decided.channels.value}, the competition's pictures have {competition.channels}",
            where=path,
            fix="Register further images with data.extra_images instead.",
        )
    build_augmentation(plan.operations, 64)
    build_augmentation(plan.corruption, 64)
    named: set[str] = set()
    for policy in plan.class_policies:
        build_augmentation(policy.operations, 64)
        for label in policy.classes:
            if competition.kind != "multiclass" or label not in competition.classes:
                raise UserError(
                    f"class_policies names {label!r}, which is no class here",
                    where=path,
                    fix=did_you_mean(label, competition.classes),
                )
            if label in named:
                raise UserError(f"class_policies names {label!r} twice", where=path)
            named.add(label)
    return plan


def _check_mode(path: Path, plan: Plan) -> None:
    """Mode, weights and epochs of an edited plan have to agree."""
    mode = plan.decisions.training_mode.value
    for model in plan.models:
        loads, idle = model.weights.pretrained, model.epochs == 0
        fits = {
            "fine_tuning": loads and not idle,
            "full_training": not loads and not idle,
            "inference_only": loads and idle,
            "mixed": not idle,
        }
        if not fits[mode]:
            start = model.weights.source if loads else "random weights"
            raise UserError(
                f"decisions.training_mode is {mode}, but {model.backbone} has {counted(model.epochs, 'epoch')} from {start}",
                where=path,
                fix="Change them alike, or delete the file and use --set training.mode=...",
            )
