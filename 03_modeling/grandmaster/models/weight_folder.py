"""Which file of a folder holds a backbone's weights: by its name, its content or its tensors."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from grandmaster.errors import UserError
from grandmaster.models.registry import Backbone, ModelArgs
from grandmaster.models.weight_files import SUFFIXES, Shapes, tensor_shapes
from grandmaster.storage import file_sha256
from grandmaster.texts import counted


@dataclass(frozen=True, kw_only=True)
class KnownFile:
    """A file that cannot be told from its name alone.

    Attributes:
        architecture: timm's name of it.
        size: bytes.
        mean, std, model_args: as in `Weights`.
        licence: of the weights.
    """

    architecture: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    model_args: dict[str, Any]
    licence: str


# By sha256. These are TensorFlow weights in timm's layout: TensorFlow pads asymmetrically ("same") and scales
# pictures to -1..1.
KNOWN_FILES: dict[str, KnownFile] = {
    "eefbeb03a3770119a46e1958fae4f9e43fa076b926d58b3705084d4c606a978b": KnownFile(
        architecture="mobilenetv2_100",
        size=14_184_200,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        model_args={"pad_type": "same"},
        licence="apache-2.0",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Search:
    """What came of looking through a folder for one backbone.

    Attributes:
        path: the file; None: none fits.
        reason: why it fits.
        passed_over: the files that do not, each with why.
    """

    path: Path | None
    reason: str = ""
    passed_over: tuple[str, ...] = ()


def search(backbone: Backbone, folder: Path) -> Search:
    """Look for the weights of a backbone, in this order.

    1. By name: the architecture's, alone or followed by a tag
       (`convnext_large.fb_in22k_ft_in1k_384.safetensors`, `resnet18-5c106cde.pth`).
    2. By content: the sha256 of a known file.
    3. By tensors: a file of which the name says no architecture, and that has every tensor of the backbone's body in
       its shape (`model.safetensors`, `best.pth`).

    Raises:
        UserError: no such folder, two files fit equally well, or a name promises a hash that the file does not have.
    """
    if not folder.is_dir():
        raise UserError("no such folder", where=folder, fix="Mend --weights_dir (model.weights_dir).")
    architecture = backbone.timm_name.split(".")[0]
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in SUFFIXES and path.is_file()]
    named = _by_name(backbone, architecture, files, folder)
    if named is not None:
        _require_promised_hash(named)
        return Search(path=named, reason=f"{named.name} is in the weights folder")
    for path in files:
        sha256 = _known_hash(path)
        if sha256 is not None and KNOWN_FILES[sha256].architecture == architecture:
            return Search(path=path, reason=f"{path.name} is known by its content (sha256 {sha256[:8]}...)")
    fitting, passed_over = [], []
    for path in files:
        owner = owner_of(path.stem)
        misfit = f"of {owner}" if owner is not None else _misfit(backbone, path)
        if misfit is None:
            fitting.append(path)
        else:
            passed_over.append(f"{path.name} ({misfit})")
    if len(fitting) > 1:
        raise _several(backbone, architecture, fitting, folder)
    if fitting:
        count = len(body_shapes(backbone.timm_name, backbone.model_args))
        reason = (
            f"no file is named for it, but {fitting[0].name} has its tensors ({count} names and shapes agree)"
        )
        return Search(path=fitting[0], reason=reason)
    return Search(path=None, passed_over=tuple(passed_over))


def owner_of(stem: str) -> str | None:
    """The longest architecture name of timm's that begins this file name."""
    import timm

    head = stem.split(".")[0]
    parts = head.replace("-", "_").split("_")
    for length in range(len(parts), 0, -1):
        name = "_".join(parts[:length])
        if timm.is_model(name):
            return name
    return None


@lru_cache(maxsize=64)
def body_shapes(timm_name: str, model_args: ModelArgs = ()) -> Shapes:
    """Names and shapes of the backbone's tensors at timm's own input size, without its classifier; made without memory."""
    import timm
    import torch

    with torch.device("meta"):
        model = timm.create_model(timm_name.split(".")[0], **dict(model_args))
    heads = classifier_names(model)
    return {
        name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if not name.startswith(heads)
    }


def classifier_names(model: Any) -> tuple[str, ...]:
    """What the names of the classifier's tensors begin with."""
    named = model.pretrained_cfg["classifier"]
    return tuple(f"{name}." for name in ((named,) if isinstance(named, str) else named))


def first_layers(model: Any) -> tuple[str, ...]:
    """Names of the weights that take the picture's channels."""
    named = model.pretrained_cfg.get("first_conv") or ()
    return tuple(f"{name}.weight" for name in ((named,) if isinstance(named, str) else named))


def stored_channels(timm_name: str, stored: Shapes) -> int:
    """Channels of the pictures that a file's weights were trained on; 3 where its first layer does not tell.

    By the ratio to the architecture's own first layer, so also where a stem folds pixels into channels first.
    """
    import timm

    own = body_shapes(timm_name)
    config = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    named = (config.first_conv if config else None) or ()
    for name in (named,) if isinstance(named, str) else named:
        shape, three = stored.get(f"{name}.weight", ()), own.get(f"{name}.weight", ())
        if len(shape) == len(three) == 4:
            return shape[1] * 3 // three[1]
    return 3


def _by_name(backbone: Backbone, architecture: str, files: list[Path], folder: Path) -> Path | None:
    fits = [
        path
        for path in files
        if path.stem == architecture
        or (path.stem.startswith(architecture) and path.stem[len(architecture)] in "._-")
    ]
    # `swin_large_patch4_window12_384.x` must not be taken for a backbone called `swin_large`: the longest registered
    # architecture that fits the stem owns the file.
    fits = [path for path in fits if owner_of(path.stem) in (None, architecture)]
    # The same name with another ending is the same weights.
    first = {
        path.with_suffix(""): path
        for path in sorted(fits, key=lambda path: SUFFIXES.index(path.suffix), reverse=True)
    }
    fits = [path for path in fits if path in first.values()]
    exact = [path for path in fits if path.stem in (backbone.timm_name, architecture)]
    if len(exact) == 1:
        return exact[0]
    if len(fits) > 1:
        raise _several(backbone, architecture, fits, folder)
    return fits[0] if fits else None


def _several(backbone: Backbone, architecture: str, fits: list[Path], folder: Path) -> UserError:
    names = ", ".join(path.name for path in fits)
    return UserError(
        f"{counted(len(fits), 'file')} fit {backbone.name}: {names}",
        where=folder,
        fix=f"Keep one, or name it {architecture}.",
    )


def _require_promised_hash(path: Path) -> None:
    """torch's hub writes the beginning of the sha256 into the name: `resnet18-5c106cde.pth`."""
    promised = re.search(r"-([0-9a-f]{8,64})$", path.stem)
    if promised and not file_sha256(path).startswith(promised[1]):
        raise UserError(
            f"its name promises a sha256 of {promised[1]}..., it has {file_sha256(path)[:8]}...",
            where=path,
            fix="The file is damaged or was changed: copy it again, or rename it if it is yours.",
        )


def _known_hash(path: Path) -> str | None:
    """The file's sha256 where it is a known one; only files of a known size are read."""
    size = path.stat().st_size
    if all(known.size != size for known in KNOWN_FILES.values()):
        return None
    sha256 = file_sha256(path)
    return sha256 if sha256 in KNOWN_FILES else None


def _misfit(backbone: Backbone, path: Path) -> str | None:
    """Why the tensors of a file are not those of the backbone; None: they are."""
    body = body_shapes(backbone.timm_name, backbone.model_args)
    numbers = sum(math.prod(shape) for shape in body.values())
    if not numbers * 1.9 < path.stat().st_size < numbers * 40:
        return "another number of weights"  # half precision is 2 bytes, with an optimiser's state up to 20
    try:
        stored = tensor_shapes(path)
    except UserError as error:
        return error.what
    agreeing = sum(stored.get(name) == shape for name, shape in body.items())
    return None if agreeing == len(body) else f"{agreeing} of {len(body)} tensors agree"
