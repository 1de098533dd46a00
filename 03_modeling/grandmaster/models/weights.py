"""Where pretrained weights come from: a folder, the hub's cache, the hub, or, said loudly, nowhere."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from grandmaster.competition.csv_files import first_few
from grandmaster.errors import UserError
from grandmaster.models.registry import Backbone
from grandmaster.models.weight_folder import KNOWN_FILES, search
from grandmaster.storage import file_sha256, read_json

HUB_TIMEOUT_SECONDS = 4.0  # name look-up and connection together; the promise is 5 s for the whole question


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The start of a model.

    Attributes:
        source: "file:<path>", "hub:<timm name>" or "none".
        sha256: of the file, for provenance and for refusing another file on resume; empty for hub and none.
        mean, std: normalisation, per channel of pictures scaled to 0..1, that the weights were trained with. Where a
            model takes more channels than there are values they repeat in turn, as timm repeats the first layer.
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


def find_weights(backbone: Backbone, *, weights_dir: Path | None, pretrained: bool) -> Weights:
    """Choose where a backbone's weights come from: `weights_dir`, the hub's local cache, the hub, none.

    Which file of the folder belongs to a backbone: see `weight_folder.search`. A JSON file of the same stem beside it
    may state `mean`, `std`, `model_args` and `licence`, and a `sha256` that the file must have.

    Raises:
        UserError: two files fit equally well, or a file has not the hash that is stated.
    """
    import timm

    config = timm.get_pretrained_cfg(backbone.timm_name, allow_unregistered=True)
    mean, std = (config.mean, config.std) if config else ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    own: dict[str, Any] = {"mean": mean, "std": std, "model_args": dict(backbone.model_args)}
    if not pretrained:
        return Weights(source="none", **own, reason="model.pretrained is false")
    if weights_dir is not None:
        looked = search(backbone, weights_dir)
        if looked.path is not None:
            return _describe_file(looked.path, looked.reason, own)
    if not config or not (config.hf_hub_id or config.url):
        return Weights(source="none", **own, reason="timm has no pretrained weights of this name")
    if _in_hub_cache(config):
        return Weights(source=f"hub:{backbone.timm_name}", **own, reason="in the hub's local cache")
    if hub_reachable():
        return Weights(source=f"hub:{backbone.timm_name}", **own, reason="the hub is reachable")
    tried = f", and {weights_dir} holds no file for it" if weights_dir else "; no --weights_dir was given"
    if weights_dir and looked.passed_over:
        tried += f": {first_few(looked.passed_over)}"
    return Weights(source="none", **own, reason=f"the hub cannot be reached{tried}")


def architectures_at_hand(weights_dir: Path | None, candidates: list[Backbone]) -> list[Backbone]:
    """Those of the candidates for which the folder holds a file, in the candidates' order."""
    if weights_dir is None:
        return []
    return [backbone for backbone in candidates if search(backbone, weights_dir).path is not None]


def licence_of(timm_name: str, weights: Weights) -> str:
    """The licence of the weights, as their sidecar, the list of known files or timm states it; read live.

    A file whose name gives no tag has the licence of the architecture's weights only where timm states one for all.

    Returns:
        "unknown" where nobody states it; "" for a random start.
    """
    import timm

    if not weights.pretrained:
        return ""
    architecture = timm_name.split(".")[0]
    names = [timm_name]
    if weights.path is not None:
        known = KNOWN_FILES.get(weights.sha256)
        stated = _sidecar(weights.path)
        said = stated.get("licence") or stated.get("license") or (known.licence if known else None)
        if said:
            return str(said)
        if weights.path.stem == architecture:
            names = timm.list_models(f"{architecture}.*", pretrained=True)
        elif weights.path.stem != timm_name:
            names = []
    configs = [timm.get_pretrained_cfg(name, allow_unregistered=True) for name in names]
    found = {config.license or "unknown" if config else "unknown" for config in configs}
    return found.pop() if len(found) == 1 else "unknown"


def non_commercial(licence: str) -> bool:
    """Whether it forbids commercial use (`cc-by-nc-4.0`), as many competitions ask of winners."""
    return "nc" in licence.lower().replace("_", "-").split("-") or "non-commercial" in licence.lower()


def stated_facts(weights: Weights) -> dict[str, Any]:
    """What the JSON file beside a file of weights states; of the best weights of a fit: what they were trained for."""
    return {} if weights.path is None else _sidecar(weights.path)


def _describe_file(path: Path, reason: str, own: dict[str, Any]) -> Weights:
    """A file of weights, with what is known or stated of it in place of the backbone's `own` mean, std and model_args."""
    sha256 = file_sha256(path)
    known, stated = KNOWN_FILES.get(sha256), _sidecar(path)
    if stated.get("sha256", sha256) != sha256:
        raise UserError(
            f"{path.with_suffix('.json').name} states sha256 {stated['sha256'][:8]}..., it is {sha256[:8]}...",
            where=path,
            fix="Copy the file again, or mend the JSON file.",
        )
    facts = own
    if known is not None:
        facts = {"mean": known.mean, "std": known.std, "model_args": own["model_args"] | known.model_args}
    facts = facts | {key: stated[key] for key in facts if key in stated}
    return Weights(
        source=f"file:{path.resolve()}",
        sha256=sha256,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        model_args=dict(facts["model_args"]),
        reason=reason,
    )


def _sidecar(path: Path) -> dict[str, Any]:
    """What the JSON file beside it states."""
    beside = path.with_suffix(".json")
    stated: dict[str, Any] = read_json(beside) if beside.exists() else {}
    return stated


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
