"""Where pretrained weights come from: a folder, the hub's cache, the hub, or, said loudly, nowhere."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from grandmaster.errors import UserError
from grandmaster.models.registry import Backbone
from grandmaster.storage import file_sha256

HUB_TIMEOUT_SECONDS = 4.0  # name look-up and connection together; the promise is 5 s for the whole question


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The start of a model.

    Attributes:
        source: "file:<path>", "hub:<timm name>" or "none".
        sha256: of the file, for provenance and for refusing another file on resume; empty for hub and none.
        mean, std: normalisation, per channel of pictures scaled to 0..1, that the weights were trained with.
        model_args: arguments of `timm.create_model` that the weights need.
        reason: why this source, for the plan.
    """

    source: str
    sha256: str = ""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    model_args: dict[str, Any] = {}
    reason: str = ""

    @property
    def path(self) -> Path | None:
        """The file, where the source is one."""
        return Path(self.source.removeprefix("file:")) if self.source.startswith("file:") else None

    @property
    def pretrained(self) -> bool:
        """Whether anything is loaded at all."""
        return self.source != "none"

    def unloaded(self) -> Weights:
        """The same shape of model and normalisation, without loading anything."""
        return msgspec.structs.replace(self, source="none", sha256="")


# Files that cannot be told from their name alone, by content. These are TensorFlow weights in timm's layout: TensorFlow
# pads asymmetrically ("same") and scales pictures to -1..1.
_TENSORFLOW: dict[str, Any] = {
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "model_args": {"pad_type": "same"},
}
KNOWN_FILES: dict[str, dict[str, Any]] = {
    "eefbeb03a3770119a46e1958fae4f9e43fa076b926d58b3705084d4c606a978b": _TENSORFLOW,
}


def find_weights(backbone: Backbone, *, weights_dir: Path | None, pretrained: bool) -> Weights:
    """Choose where a backbone's weights come from: `weights_dir`, the hub's local cache, the hub, none.

    A file belongs to a backbone when its name is the architecture's, alone or followed by a tag
    (`convnext_large.fb_in22k_ft_in1k_384.safetensors`, `mobilenetv2_100_in1k.safetensors`). A JSON file of the
    same stem beside it may state `mean`, `std` and `model_args`.

    Raises:
        UserError: two files fit equally well.
    """
    import timm

    config = timm.get_pretrained_cfg(backbone.timm_name, allow_unregistered=True)
    mean, std = (config.mean, config.std) if config else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    if not pretrained:
        return Weights(source="none", mean=mean, std=std, reason="model.pretrained is false")
    if weights_dir is not None:
        found = _file_for(backbone, weights_dir)
        if found is not None:
            return _describe_file(found, mean, std)
    if not config or not (config.hf_hub_id or config.url):
        return Weights(
            source="none", mean=mean, std=std, reason="timm has no pretrained weights of this name"
        )
    if _in_hub_cache(config):
        return Weights(
            source=f"hub:{backbone.timm_name}", mean=mean, std=std, reason="in the hub's local cache"
        )
    if hub_reachable():
        return Weights(source=f"hub:{backbone.timm_name}", mean=mean, std=std, reason="the hub is reachable")
    looked = f", and {weights_dir} holds no file for it" if weights_dir else "; no --weights_dir was given"
    return Weights(source="none", mean=mean, std=std, reason=f"the hub cannot be reached{looked}")


def architectures_at_hand(weights_dir: Path | None, candidates: list[Backbone]) -> list[Backbone]:
    """Those of the candidates for which the folder holds a file, in the candidates' order."""
    if weights_dir is None:
        return []
    return [backbone for backbone in candidates if _file_for(backbone, weights_dir) is not None]


def _file_for(backbone: Backbone, folder: Path) -> Path | None:
    if not folder.is_dir():
        raise UserError("no such folder", where=folder, fix="Mend --weights_dir (model.weights_dir).")
    architecture = backbone.timm_name.split(".")[0]
    fits = [
        path
        for path in sorted(folder.rglob("*.safetensors"))
        if path.stem == architecture
        or (path.stem.startswith(architecture) and path.stem[len(architecture)] in "._-")
    ]
    # `swin_large_patch4_window12_384.x` must not be taken for a backbone called `swin_large`: the longest registered
    # architecture that fits the stem owns the file.
    fits = [path for path in fits if _owner(path.stem) in (None, architecture)]
    exact = [path for path in fits if path.stem in (backbone.timm_name, architecture)]
    if len(exact) == 1:
        return exact[0]
    if len(fits) > 1:
        names = ", ".join(path.name for path in fits)
        raise UserError(
            f"{len(fits)} files fit {backbone.name}: {names}",
            where=folder,
            fix=f"Keep one, or name it {architecture}.",
        )
    return fits[0] if fits else None


def _owner(stem: str) -> str | None:
    """The longest architecture name of timm's that begins this file name."""
    import timm

    head = stem.split(".")[0]
    parts = head.replace("-", "_").split("_")
    for length in range(len(parts), 0, -1):
        name = "_".join(parts[:length])
        if timm.is_model(name):
            return name
    return None


def _describe_file(path: Path, mean: tuple[float, ...], std: tuple[float, ...]) -> Weights:
    sha256 = file_sha256(path)
    facts: dict[str, Any] = {"mean": mean, "std": std, "model_args": {}}
    facts |= KNOWN_FILES.get(sha256, {})
    sidecar = path.with_suffix(".json")
    if sidecar.exists():
        from grandmaster.storage import read_json

        stated = read_json(sidecar)
        facts |= {key: stated[key] for key in ("mean", "std", "model_args") if key in stated}
    return Weights(
        source=f"file:{path.resolve()}",
        sha256=sha256,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        model_args=dict(facts["model_args"]),
        reason=f"{path.name} is in the weights folder",
    )


def _in_hub_cache(config: Any) -> bool:
    """Whether the hub's local cache holds the file, so that no network is needed."""
    if not config.hf_hub_id:
        return False
    from huggingface_hub import try_to_load_from_cache

    names = [config.hf_hub_filename] if config.hf_hub_filename else ["model.safetensors", "pytorch_model.bin"]
    return any(isinstance(try_to_load_from_cache(config.hf_hub_id, name), str) for name in names)


def hub_reachable() -> bool:
    """Whether the model hub answers, found out in at most 5 seconds; no when the user asked for offline work."""
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0") or os.environ.get(
        "TRANSFORMERS_OFFLINE", ""
    ) not in (
        "",
        "0",
    ):
        return False
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    answer: list[bool] = []

    def ask() -> None:
        try:
            port = address.port or 443
            socket.create_connection((address.hostname or "", port), timeout=HUB_TIMEOUT_SECONDS).close()
            answer.append(True)
        except OSError:
            answer.append(False)

    # A thread, because looking up a name has no time limit of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_TIMEOUT_SECONDS)
    return bool(answer and answer[0])
