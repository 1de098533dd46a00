"""Which backbones a run trains, and on how many folds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.errors import UserError
from grandmaster.models.registry import FROM_SCRATCH_ON_CPU, LARGE_SEVEN, SMALL, Backbone, ModelEntry
from grandmaster.models.weights import architectures_at_hand, find_weights
from grandmaster.pipeline.hardware import Hardware
from grandmaster.pipeline.plan import Decision
from grandmaster.pipeline.recipe import wants_weights
from grandmaster.pipeline.training_modes import backbone_of, registered, trains


def check_backbones(config: Config, competition: Competition) -> None:
    """Refuse a backbone that nobody knows, before any picture is looked at.

    Raises:
        UserError: names the nearest that there is.
    """
    if config.model.backbones:
        added = registered(config, competition)
        for name in config.model.backbones:
            backbone_of(name, added)


def choose_folds(config: Config) -> Decision[int]:
    """How many folds are trained."""
    if config.folds.train is not None:
        return Decision(value=min(config.folds.train, config.folds.count), reason="folds.train")
    if not trains(config):
        return Decision(value=1, reason="nothing is trained: every fold would have the same model")
    return Decision(value=config.folds.count, reason="all folds")


def choose_backbones(
    hardware: Hardware, config: Config, wanted: int, added: Mapping[str, ModelEntry]
) -> Decision[tuple[Backbone, ...]]:
    """The backbones that are set, or those that this machine can train.

    Args:
        wanted: 1 or 7, where a GPU is there and nothing is set.
        added: models that the person added.

    Raises:
        UserError: one that nobody knows, or that is named twice.
    """
    if config.model.backbones is not None:
        names = config.model.backbones
        if not names or len(set(names)) < len(names):
            raise UserError(
                f"{', '.join(names) or 'nothing'}: name each backbone once", where="model.backbones"
            )
        return Decision(value=tuple(backbone_of(name, added) for name in names), reason="as set")
    if hardware.device == "cuda":
        if wanted > 1:
            return Decision(value=tuple(LARGE_SEVEN.values()), reason="the seven large backbones")
        return Decision(value=(LARGE_SEVEN["convnext_large"],), reason="best single backbone of the seven")
    folder = None if config.model.weights_dir is None else Path(config.model.weights_dir)
    at_hand = architectures_at_hand(folder, list(SMALL.values())) if wants_weights(config) else []
    if at_hand:
        return Decision(
            value=(at_hand[0],),
            reason="no GPU: a small backbone, one whose pretrained weights are in the folder",
        )
    candidate = SMALL["mobilenetv2_100"]
    if config.model.pretrained and find_weights(candidate, weights_dir=None, pretrained=True).pretrained:
        return Decision(value=(candidate,), reason="no GPU: a small backbone; its weights come from the hub")
    return Decision(
        value=(SMALL[FROM_SCRATCH_ON_CPU],),
        reason="no GPU and no pretrained weights: the backbone that learns fastest from random ones",
    )
