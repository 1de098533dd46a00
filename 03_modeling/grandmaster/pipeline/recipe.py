"""What a plan decides about the way of training: start, rates, averaging, loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from grandmaster.competition.metrics import METRICS
from grandmaster.competition.table import Competition
from grandmaster.config import BatchNormMode, ClassBalance, Config, TrainingConfig
from grandmaster.errors import UserError
from grandmaster.models.builder import build_model
from grandmaster.models.registry import Backbone
from grandmaster.models.weights import Weights
from grandmaster.pipeline.plan import Decision, Decisions
from grandmaster.texts import counted
from grandmaster.training.losses import Loss, UsedLoss, choose_loss, class_weights
from grandmaster.training.rate_groups import RateGroup, assign, read_rate_groups


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The part of a `ModelPlan` that is about the way of training, with reasons for what was chosen."""

    learning_rate: float
    layer_decay: float
    ema_decay: float
    batch_norm: BatchNormMode
    reasons: dict[str, str]


# Metrics that are means over classes.
CLASSES_COUNT_THE_SAME = frozenset({"macro_f1", "balanced_accuracy"})
# So many times the pictures of the smallest class make classes uneven: sampling won at 7 times, and neither won nor lost at 4.
UNEVEN = 5.0


def wants_weights(config: Config) -> bool:
    """Whether pretrained weights are looked for at all."""
    return config.model.pretrained and config.training.mode != "full_training"


def with_mode(weights: Weights, backbone: Backbone, config: Config) -> Weights:
    """The start that was found, with the mode as its reason where that decided.

    Raises:
        UserError: fine-tuning without weights to tune, or predicting without weights.
    """
    if config.training.mode == "full_training":
        return msgspec.structs.replace(weights, reason="training.mode is full_training")
    if config.training.mode in ("fine_tuning", "inference_only") and not weights.pretrained:
        use = "fine-tune" if config.training.mode == "fine_tuning" else "predict with"
        raise UserError(
            f"{backbone.name} has no weights to {use}: {weights.reason}",
            where="training.mode",
            fix="Give --weights_dir or a connection to the hub, or leave training.mode open.",
        )
    return weights


def choose_recipe(
    backbone: Backbone, weights: Weights, config: Config, *, batch: int, steps: int, classes: int, size: int
) -> Recipe:
    """Rates and averaging for a backbone from its start.

    Args:
        batch: pictures an optimiser step.
        steps: optimiser steps an epoch.

    Raises:
        UserError: a pattern of `training.rate_groups` that none of its parameters has.
    """
    settings, reasons = config.training, {}
    base = backbone.fine_tune_rate if weights.pretrained else backbone.scratch_rate
    decay = backbone.layer_decay if weights.pretrained else 1.0
    if settings.rate_groups:
        decay = 1.0
        reasons["layer_decay"] = "training.rate_groups sets the rates"
        with torch.device("meta"):
            net = build_model(backbone.timm_name, weights.unloaded(), classes=classes, input_size=size)
        assign([name for name, _ in net.named_parameters()], read_rate_groups(settings.rate_groups))
    if settings.find_rate:
        reasons["learning_rate"] = "replaced by the one that the range test finds (rates.json)"
    if settings.ema_decay is None:
        reasons["ema_decay"] = "remembers about half an epoch of steps"
    return Recipe(
        learning_rate=settings.learning_rate or float(f"{base * (batch / 64) ** 0.5:.3g}"),
        layer_decay=settings.layer_decay or decay,
        ema_decay=round(min(0.9998, max(0.9, 1 - 2 / steps)), 5)
        if settings.ema_decay is None
        else settings.ema_decay,
        batch_norm=batch_norm_mode(weights, config),
        reasons=reasons,
    )


def batch_norm_mode(weights: Weights, config: Config) -> BatchNormMode:
    """As set, or by the start: the statistics of a small batch are worse than loaded ones."""
    return config.training.batch_norm or ("frozen" if weights.pretrained else "train")


def choose_training_loss(
    config: Config, competition: Competition
) -> tuple[Decision[UsedLoss], Decision[Any]]:
    """The loss, and what is done against imbalance.

    Raises:
        UserError: settings that do not fit these targets, or each other.
    """
    settings, kind = config.training, competition.kind
    name = choose_loss(settings.loss, kind)
    if settings.class_balance not in (None, "off") and kind != "multiclass":
        raise UserError(
            f"{settings.class_balance} needs one class a picture, these targets are {kind}",
            where="training.class_balance",
            fix="Leave it open, or set it to off.",
        )
    if settings.rate_groups and settings.layer_decay not in (None, 1.0):
        raise UserError(
            "rate_groups and layer_decay both set the rates of layers",
            where="training.rate_groups",
            fix="Leave one of them open.",
        )
    if settings.find_rate and (settings.learning_rate is not None or settings.rate_groups):
        raise UserError(
            "the rate is to be found, and is set",
            where="training.find_rate",
            fix="Leave training.learning_rate and training.rate_groups open, or do not ask to find it.",
        )
    loss_reason = f"the usual one of {kind} targets" if settings.loss == "auto" else "as set"
    return (
        Decision(value=name, reason=loss_reason),
        _balance(competition)
        if settings.class_balance is None
        else Decision(value=settings.class_balance, reason="as set"),
    )


def _balance(competition: Competition) -> Decision[Any]:
    """Sampling where the metric counts every class the same and training pictures do not (`benchmarks/recipe.py`)."""
    if competition.kind != "multiclass" or competition.metric not in CLASSES_COUNT_THE_SAME:
        return Decision(value="off", reason="every picture counts the same in the metric")
    counts = np.bincount(competition.targets, minlength=len(competition.outputs))
    counts = counts[counts > 0]  # a one-hot column may have no picture
    told = f"the largest class has {counted(counts.max(), 'picture')}, the smallest {counts.min()}"
    if counts.max() < UNEVEN * counts.min():
        return Decision(value="off", reason=f"classes are even enough: {told}")
    title = METRICS[competition.metric].title
    return Decision(value="sampling", reason=f"{title} counts every class the same, and {told}")


def make_loss(
    decided: Decisions, settings: TrainingConfig, competition: Competition, targets: npt.NDArray[Any]
) -> Loss:
    """The loss with its numbers for one fold.

    Args:
        targets: of the training fold, as `Competition.targets`.

    Raises:
        UserError: the plan was edited to a loss for other targets.
    """
    balance: ClassBalance = decided.class_balance.value
    weights: tuple[float, ...] = ()
    if balance == "weights":
        weights = class_weights(np.bincount(targets, minlength=len(competition.outputs)).tolist())
    return Loss(
        name=choose_loss(decided.loss.value, competition.kind),
        smoothing=settings.label_smoothing,
        gamma=settings.focal_gamma,
        scale=settings.arcface_scale,
        first_scale=settings.arcface_first_scale,
        margin=settings.arcface_margin,
        ramp=settings.arcface_ramp,
        class_weights=weights,
    )


def fractions(settings: TrainingConfig, *, epochs: int, learning_rate: float) -> dict[str, float]:
    """Warm-up as a share of all steps, and the last rate as a share of the peak."""
    warmup = (
        settings.warmup_fraction
        if settings.warmup_epochs is None
        else min(1.0, settings.warmup_epochs / max(1, epochs))
    )
    final = (
        settings.final_rate_fraction
        if settings.final_rate is None
        else min(1.0, settings.final_rate / learning_rate)
    )
    return {"warmup_fraction": warmup, "final_rate_fraction": final}


def rate_groups(settings: TrainingConfig) -> tuple[RateGroup, ...]:
    """The rate groups as set, read."""
    return read_rate_groups(settings.rate_groups or ())
