"""Which mode the models of a run are in, whether they may be, and what is advisable for so many pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from grandmaster.competition.table import Competition
from grandmaster.config import Config, TrainingMode
from grandmaster.errors import UserError
from grandmaster.models.adaptation import Adaptation
from grandmaster.models.registry import Backbone, ModelEntry, find_backbone, find_entry
from grandmaster.models.registry.modes import mode_warnings, recommend, require_mode, require_trainable
from grandmaster.models.registry.user_file import added_hash, added_models
from grandmaster.models.weights import Weights, stated_facts
from grandmaster.pipeline.plan import Decision
from grandmaster.texts import counted
from grandmaster.training.losses import choose_loss

UsedMode = Literal["fine_tuning", "full_training", "inference_only", "mixed"]


def registered(config: Config, competition: Competition) -> dict[str, ModelEntry]:
    """Models that the person added.

    Raises:
        UserError: a mistake in their file.
    """
    return added_models(config.model.registry_file, competition.root)


def registered_hash(config: Config, competition: Competition) -> str:
    """Changes when the file of added models does; empty where there is none."""
    return added_hash(config.model.registry_file, competition.root)


def backbone_of(name: str, added: Mapping[str, ModelEntry]) -> Backbone:
    """A backbone to train: of the registry, of the person's file, or any of timm's.

    Raises:
        UserError: nobody knows it, or it is a model for another task.
    """
    entry = find_entry(name, added)
    require_trainable(entry)
    return entry.backbone or find_backbone(name)


def mode_of(weights: Weights, config: Config) -> TrainingMode:
    """As set; else by whether there are weights."""
    return config.training.mode or ("fine_tuning" if weights.pretrained else "full_training")


def choose_mode(
    chosen: Sequence[Backbone],
    starts: Mapping[str, Weights],
    config: Config,
    competition: Competition,
    added: Mapping[str, ModelEntry],
) -> tuple[Decision[UsedMode], tuple[str, ...]]:
    """The mode with its reason, and what to beware of.

    Raises:
        UserError: a model does not support its mode.
    """
    pictures = len(competition.train)
    wanted = [(find_entry(one.name, added), mode_of(starts[one.name], config)) for one in chosen]
    for entry, mode in wanted:
        require_mode(entry, mode)
    modes = [mode for _, mode in wanted]
    # A random start that nobody asked for has a warning of its own.
    asked_for = config.training.mode is not None or not config.model.pretrained
    notes = mode_warnings([pair for pair in wanted if asked_for or pair[1] != "full_training"], pictures)
    value: UsedMode = modes[0] if len(set(modes)) == 1 else "mixed"
    if config.training.mode is not None:
        why = "as set"
    elif not config.model.pretrained:
        why = "model.pretrained is false"
    elif value == "mixed":
        why = "fine_tuning where there are weights, full_training where there are none"
    else:
        why = "there are weights" if value == "fine_tuning" else "there are no weights"
    advised = recommend("classification", pictures).text
    return Decision(
        value=value, reason=f"{why}; recommended for {counted(pictures, 'picture')}: {advised}"
    ), notes


def refuse_unsupported(chosen: Sequence[Backbone], config: Config, added: Mapping[str, ModelEntry]) -> None:
    """Refuse a mode that is set and that a model does not have, before anything is looked for or measured.

    Raises:
        UserError: with the words of `registry.modes.refusal`.
    """
    if config.training.mode is not None:
        for backbone in chosen:
            require_mode(find_entry(backbone.name, added), config.training.mode)


def trains(config: Config) -> bool:
    """Whether anything is trained at all."""
    return config.training.mode != "inference_only"


def check_inference_only(config: Config, competition: Competition) -> None:
    """Refuse settings that only make sense where something is trained.

    Raises:
        UserError: names the first of them.
    """
    if trains(config):
        return
    asked = {
        "training.find_rate": config.training.find_rate,
        "augmentation.trial": bool(config.augmentation.trial),
        "pseudo_label.rounds": bool(config.pseudo_label.rounds),
        "distill.on": config.distill.on,
    }
    for name, on in asked.items():
        if on:
            raise UserError("inference_only trains nothing", where=name, fix="Leave it off, or train.")
    if competition.kind in ("ordinal", "regression"):
        raise UserError(
            f"inference_only needs classes or labels, these targets are {competition.kind}: the scale of the values is "
            "learnt in training",
            where="training.mode",
            fix="Set it to fine_tuning.",
        )
    loss = choose_loss(config.training.loss, competition.kind)
    if loss in ("arcface", "advanced"):
        raise UserError(
            f"inference_only takes the classifier as it is, {loss} makes another",
            where="training.loss",
            fix="Leave it open.",
        )


def require_classifier(
    backbone: Backbone,
    weights: Weights,
    adaptation: Adaptation | None,
    config: Config,
    competition: Competition,
) -> None:
    """Refuse to predict with a classifier that does not fit the competition.

    Raises:
        UserError: it has another number of classes, other classes, or another meaning.
    """
    assert adaptation is not None, "inference_only without weights is refused before"
    stored, ours = adaptation.classes
    fix = "Set training.mode to fine_tuning, or give the weights of a fit on these classes."
    where = weights.path or weights.source
    if stored != ours:
        has = "has no classifier" if stored is None else f"tells {counted(stored, 'class')} apart"
        raise UserError(
            f"inference_only: {backbone.name} {has}, and this competition has {ours:,}", where=where, fix=fix
        )
    if adaptation.channels[0] != adaptation.channels[1]:
        raise UserError(
            f"inference_only: these weights take pictures of {counted(adaptation.channels[0], 'channel')}, here they have "
            f"{adaptation.channels[1]}",
            where=where,
            fix=fix,
        )
    stated = stated_facts(weights)
    if stated.get("classes", competition.classes_hash) != competition.classes_hash:
        raise UserError(
            "inference_only: these weights were trained for other classes, or for these in another order",
            where=where,
            fix=fix,
        )
    head, bce = stated.get("head"), choose_loss(config.training.loss, competition.kind) == "bce"
    if competition.kind == "multiclass" and isinstance(head, dict) and bool(head.get("one_vs_all")) != bce:
        raise UserError(
            "inference_only: these weights were trained with another loss, and their outputs mean other things",
            where=where,
            fix=f"Set training.loss to {'cross_entropy' if bce else 'bce'}.",
        )


def trained_size(weights: Weights) -> int | None:
    """Side, px, that the fit of these weights saw, where the file beside them states it."""
    size = stated_facts(weights).get("input_size")
    return size if isinstance(size, int) and size >= 32 else None
