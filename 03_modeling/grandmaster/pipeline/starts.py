"""What a person is told of the weights that models start from: what is adapted, the licence, and what to beware of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from grandmaster.competition.table import Competition
from grandmaster.config import Config
from grandmaster.models.adaptation import adaptation_of
from grandmaster.models.registry import Backbone
from grandmaster.models.weights import Weights, find_weights, licence_of, non_commercial
from grandmaster.pipeline.recipe import wants_weights, with_mode


def find_start(backbone: Backbone, config: Config) -> Weights:
    """Where the backbone's weights come from, as the settings allow.

    Raises:
        UserError: fine-tuning is asked for and there are no weights, or two files fit equally well.
    """
    folder = None if config.model.weights_dir is None else Path(config.model.weights_dir)
    found = find_weights(backbone, weights_dir=folder, pretrained=wants_weights(config))
    return with_mode(found, backbone, config)


def start_notes(chosen: tuple[Backbone, ...], starts: Mapping[str, Weights], config: Config) -> list[str]:
    """Warnings: random weights where others were wanted, and licences that forbid commercial use."""
    notes = []
    random: dict[str, list[str]] = {}
    if wants_weights(config):
        for backbone in chosen:
            if not starts[backbone.name].pretrained:
                random.setdefault(starts[backbone.name].reason, []).append(backbone.name)
    for reason, names in random.items():
        begin = f"{names[0]} starts" if len(names) == 1 else f"{', '.join(names)} start"
        notes.append(
            f"{begin} from RANDOM weights: {reason}. Expect a much lower score; give --weights_dir or a connection to "
            "the hub."
        )
    for backbone in chosen:
        weights = starts[backbone.name]
        licence = licence_of(backbone.timm_name, weights)
        if non_commercial(licence):
            notes.append(
                f"the weights of {backbone.name} are licensed {licence}: not for commercial use, which competitions may "
                "ask of winners"
            )
    return notes


def start_facts(
    backbone: Backbone,
    weights: Weights,
    competition: Competition,
    input_size: int,
    *,
    keep_classifier: bool = False,
) -> dict[str, Any]:
    """The fields of a `ModelPlan` on its weights: `licence` and `adaptation`.

    Args:
        keep_classifier: the stored classifier is used as it is.

    Raises:
        UserError: the file of weights cannot be read.
    """
    adaptation = adaptation_of(
        backbone.timm_name,
        weights,
        classes=len(competition.outputs),
        channels=competition.channels,
        input_size=input_size,
    )
    if adaptation is not None and keep_classifier:
        adaptation = msgspec.structs.replace(adaptation, classifier_kept=True)
    return {"licence": licence_of(backbone.timm_name, weights), "adaptation": adaptation}


def start_reason(weights: Weights, facts: Mapping[str, Any]) -> str:
    """Why these weights, under which licence, and what is adapted, in one line."""
    parts = [weights.reason]
    if facts["licence"]:
        parts.append(f"licence {facts['licence']}")
    if facts["adaptation"] is not None:
        parts.append(facts["adaptation"].text)
    return "; ".join(parts)
