"""Backbones by name: the seven large ones of the system, small ones for machines without a GPU, and any of timm's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from grandmaster.errors import UserError, did_you_mean

# Arguments of `timm.create_model`, as something that can be a key: sorted, lists as tuples.
ModelArgs = tuple[tuple[str, Any], ...]


class Backbone(msgspec.Struct, frozen=True, kw_only=True):
    """A backbone and how it is meant to be trained.

    Attributes:
        name: what users write.
        timm_name: `architecture.pretrained_tag`, exactly as timm and the hub call it.
        input_size: side of the square input, px, that the plan uses where there is room.
        documented_million_parameters: without head, as the system's documentation states them (None: not documented).
        fine_tune_rate: peak AdamW rate from pretrained weights, for 64 pictures a step.
        layer_decay: rate factor a layer towards the input when fine-tuning (BEiT, arXiv 2106.08254).
        scratch_rate: peak AdamW rate from random weights, for 64 pictures a step.
        note: what a user should know before choosing it.
        model_args: further arguments of `timm.create_model`.
    """

    name: str
    timm_name: str
    input_size: int
    documented_million_parameters: int | None = None
    fine_tune_rate: float = 1e-4
    layer_decay: float = 1.0
    scratch_rate: float = 1e-3
    note: str = ""
    model_args: ModelArgs = ()


# fmt: off
LARGE_SEVEN: dict[str, Backbone] = {
    "convnext_large": Backbone(
        name="convnext_large", timm_name="convnext_large.fb_in22k_ft_in1k_384", input_size=384,
        documented_million_parameters=196, fine_tune_rate=1e-4, layer_decay=0.8,
    ),
    "swin_large": Backbone(
        name="swin_large", timm_name="swin_large_patch4_window12_384.ms_in22k_ft_in1k", input_size=384,
        documented_million_parameters=195, fine_tune_rate=1e-4, layer_decay=0.8,
    ),
    "beit_large": Backbone(
        name="beit_large", timm_name="beit_large_patch16_384.in22k_ft_in22k_in1k", input_size=384,
        documented_million_parameters=303, fine_tune_rate=5e-5, layer_decay=0.75,
    ),
    "efficientnetv2_xl": Backbone(
        name="efficientnetv2_xl", timm_name="tf_efficientnetv2_xl.in21k_ft_in1k", input_size=384,
        documented_million_parameters=207, fine_tune_rate=2e-4, layer_decay=0.9,
    ),
    "maxvit_large": Backbone(
        name="maxvit_large", timm_name="maxvit_large_tf_384.in21k_ft_in1k", input_size=384,
        documented_million_parameters=211, fine_tune_rate=1e-4, layer_decay=0.8,
    ),
    "resnext101_32x32d": Backbone(
        name="resnext101_32x32d", timm_name="resnext101_32x32d.fb_wsl_ig1b_ft_in1k", input_size=384,
        documented_million_parameters=467, fine_tune_rate=1e-4, layer_decay=0.9,
    ),
    "vit_large": Backbone(
        name="vit_large", timm_name="vit_large_patch16_384.augreg_in21k_ft_in1k", input_size=384,
        documented_million_parameters=303, fine_tune_rate=5e-5, layer_decay=0.75,
    ),
}

# Between the two: for a GPU of any size, at the sizes that their weights were trained with.
MEDIUM: dict[str, Backbone] = {
    "resnet50": Backbone(
        name="resnet50", timm_name="resnet50.a1_in1k", input_size=224,
        fine_tune_rate=2e-4, layer_decay=0.85, scratch_rate=2e-3,
    ),
    "efficientnetv2_s": Backbone(
        name="efficientnetv2_s", timm_name="tf_efficientnetv2_s.in21k_ft_in1k", input_size=300,
        fine_tune_rate=3e-4, layer_decay=0.9, scratch_rate=2e-3,
    ),
    "vit_base": Backbone(
        name="vit_base", timm_name="vit_base_patch16_224.augreg2_in21k_ft_in1k", input_size=224,
        fine_tune_rate=5e-5, layer_decay=0.75,
    ),
    "swin_base": Backbone(
        name="swin_base", timm_name="swin_base_patch4_window7_224.ms_in22k_ft_in1k", input_size=224,
        fine_tune_rate=1e-4, layer_decay=0.8,
    ),
}

# For machines without a GPU, best first. The sizes are those at which two cores finish in minutes.
SMALL: dict[str, Backbone] = {
    "mobilenetv2_100": Backbone(
        name="mobilenetv2_100", timm_name="mobilenetv2_100.ra_in1k", input_size=160,
        fine_tune_rate=7e-4, layer_decay=0.85, scratch_rate=3e-3,
    ),
    "mobilenetv3_large_100": Backbone(
        name="mobilenetv3_large_100", timm_name="mobilenetv3_large_100.ra_in1k", input_size=160,
        fine_tune_rate=7e-4, layer_decay=0.85, scratch_rate=3e-3,
    ),
    "efficientnet_b0": Backbone(
        name="efficientnet_b0", timm_name="efficientnet_b0.ra_in1k", input_size=160,
        fine_tune_rate=7e-4, layer_decay=0.85, scratch_rate=3e-3,
    ),
    "resnet18": Backbone(
        name="resnet18", timm_name="resnet18.a1_in1k", input_size=160, fine_tune_rate=3e-4, layer_decay=0.85, scratch_rate=2e-3,
    ),
    "resnet10t": Backbone(
        name="resnet10t", timm_name="resnet10t.c3_in1k", input_size=128, fine_tune_rate=7e-4, layer_decay=0.85, scratch_rate=3e-3,
        note="learns fastest from random weights",
    ),
}
# fmt: on

FROM_SCRATCH_ON_CPU = "resnet10t"

BACKBONES: dict[str, Backbone] = {**LARGE_SEVEN, **MEDIUM, **SMALL}
assert len(BACKBONES) == len(LARGE_SEVEN) + len(MEDIUM) + len(SMALL), "two backbones of one name"

_NONE: Mapping[str, Backbone] = {}


def frozen_args(given: Mapping[str, Any]) -> ModelArgs:
    """Arguments of a model as a key."""
    return tuple(
        sorted((name, tuple(value) if isinstance(value, list) else value) for name, value in given.items())
    )


def find_backbone(name: str, added: Mapping[str, Backbone] = _NONE) -> Backbone:
    """The registered backbone of that name, or any of timm's models with timm's own input size.

    Args:
        added: what a person registered besides.

    Raises:
        UserError: neither we nor timm know it.
    """
    if name in added:
        return added[name]
    return BACKBONES[name] if name in BACKBONES else _timms(name, tuple(added))


@lru_cache(maxsize=256)
def _timms(name: str, added: tuple[str, ...]) -> Backbone:
    import timm

    architecture, _, tag = name.partition(".")
    tags = [known.split(".", 1)[1] for known in timm.list_pretrained(architecture) if "." in known]
    if tag and timm.is_model(architecture) and tag not in tags:
        raise UserError(
            f"{architecture} has no weights {tag!r}", where="model.backbones", fix=did_you_mean(tag, tags)
        )
    if not timm.is_model(architecture):
        known = [*BACKBONES, *added, *timm.list_models()]
        raise UserError(
            f"no backbone is called {name!r}", where="model.backbones", fix=did_you_mean(name, known)
        )
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    full_name = f"{config.architecture}.{config.tag}" if config and config.tag else name
    return Backbone(name=name, timm_name=full_name, input_size=config.input_size[-1] if config else 224)
