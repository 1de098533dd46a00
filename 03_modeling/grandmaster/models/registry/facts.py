"""Facts of a model that are counted, or read from the library that has it: nothing here is typed in."""

from __future__ import annotations

import importlib.metadata
import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec

from grandmaster.models.registry.backbones import ModelArgs
from grandmaster.models.registry.entry import ModelEntry
from grandmaster.models.weight_files import SUFFIXES

_DATA_SETS = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "ig1b": "Instagram (1 billion pictures)",
    "laion2b": "LAION-2B",
    "openai": "OpenAI's pictures and texts",
    "lvd142m": "LVD-142M",
}


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file of weights to fetch by hand, for a machine without a network.

    Attributes:
        address: of the file itself.
        repository, file: where that is on the hub; empty: it is not there.
        save_as: name under which a folder of weights knows it as the model's.
    """

    address: str
    repository: str = ""
    file: str = ""
    save_as: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model.

    Attributes:
        parameters: number, without the classifier of a classifier; None: not known.
        input_size: side, px, that the weights were trained with; None: not known.
        pretrained_on, licence_code, licence_weights: "unknown" where nobody states it.
        source: how they are known: "counted and read from timm 1.0", or "documented: ...".
        download: where to fetch its weights by hand; None: nobody says.
    """

    parameters: int | None
    input_size: int | None
    pretrained_on: str
    licence_code: str
    licence_weights: str
    source: str
    download: Download | None = None


def facts_of(entry: ModelEntry, *, count: bool = True) -> Facts:
    """Count and read, or say what is documented.

    Args:
        count: also the parameters of timm's models, which takes a second or more for each.
    """
    if entry.backbone is None:
        stated = entry.documented
        assert stated is not None, "checked when the entry was made"
        million = stated.million_parameters
        return Facts(
            parameters=None if million is None else round(million * 1e6),
            input_size=stated.input_size,
            pretrained_on=stated.pretrained_on or "unknown",
            licence_code=_licence_of_package(entry.library) or stated.licence_code or "unknown",
            licence_weights=stated.licence_weights or "unknown",
            source=f"documented: {stated.source}",
        )
    import timm

    config = timm.get_pretrained_cfg(entry.factory, allow_unregistered=True)
    has_weights = bool(config and (config.hf_hub_id or config.url))
    stated = entry.documented
    return Facts(
        parameters=count_parameters(entry.factory, entry.backbone.model_args) if count else None,
        input_size=config.input_size[-1] if config else entry.backbone.input_size,
        pretrained_on=(stated.pretrained_on if stated else "")
        or (pretrained_on(config.tag or "") if config and has_weights else "nothing"),
        licence_code=_licence_of_package("timm") or "unknown",
        licence_weights=(stated.licence_weights if stated else "")
        or (config and config.license)
        or "unknown",
        source=f"counted and read from timm {timm.__version__}",
        download=download_of(entry.factory),
    )


@lru_cache(maxsize=64)
def count_parameters(timm_name: str, model_args: ModelArgs = ()) -> int:
    """Without the classifier; on torch's `meta` device, so without memory."""
    import timm
    import torch

    with torch.device("meta"):
        model: Any = timm.create_model(timm_name.split(".")[0], **dict(model_args))
    head = {id(parameter) for parameter in model.get_classifier().parameters()}
    return sum(parameter.numel() for parameter in model.parameters() if id(parameter) not in head)


def download_of(timm_name: str) -> Download | None:
    """Where timm takes the weights of a model from, in its order: the hub, else another address. None: it has none."""
    import timm
    from huggingface_hub import constants, hf_hub_url

    config = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    if config and config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        file = config.hf_hub_filename or constants.SAFETENSORS_SINGLE_FILE
        address = hf_hub_url(repository, file, revision=revision or None)
        save_as = timm_name + PurePosixPath(file).suffix
        return Download(address=address, repository=repository, file=file, save_as=save_as)
    if config and isinstance(config.url, str) and config.url:
        ending = PurePosixPath(urlsplit(config.url).path).suffix
        return Download(
            address=config.url, save_as=timm_name + (ending if ending in SUFFIXES else SUFFIXES[1])
        )
    return None


def pretrained_on(tag: str) -> str:
    """What timm's tag of weights says about their pictures: `fb_in22k_ft_in1k` -> ImageNet-22k, then ImageNet-1k."""
    words = re.split(r"[_.]", tag.lower())
    found = [_DATA_SETS[word] for word in words if word in _DATA_SETS]
    return ", then ".join(dict.fromkeys(found)) or "unknown"


@lru_cache(maxsize=8)
def _licence_of_package(name: str) -> str:
    """As the installed package states it; empty: not installed, or it says nothing."""
    try:
        stated: Any = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    return str(stated.get("License-Expression") or stated.get("License") or "")
