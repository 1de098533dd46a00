"""What is changed of stored weights so that they fit a competition: classes, channels and size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from grandmaster.errors import UserError
from grandmaster.models.weight_files import Shapes, tensor_shapes
from grandmaster.models.weight_folder import classifier_names, first_layers, stored_channels
from grandmaster.models.weights import Weights
from grandmaster.texts import counted

Shape = tuple[int, ...]

# In the names of what timm fits to another input size.
_RESIZABLE = ("pos_embed", "position", "rel_pos", "relative_coords", "attn_mask")
# Less than this share of a body's tensors is another architecture's file.
_ENOUGH = 0.95


class Adaptation(msgspec.Struct, frozen=True, kw_only=True):
    """Stored weights beside the model that they are loaded into.

    Attributes:
        classes: outputs of the stored classifier (None: it has none) and of the model's.
        classifier_kept: the stored classifier is used. Else it is a new one: its outputs mean other things.
        channels: that the stored and the model's first layer take. timm repeats the stored ones in turn and scales
            them by `channel_scale`, so that a picture given twice makes the features that it made.
        resized: tensor -> stored and new shape: position embeddings and the like, interpolated by timm.
        misshapen: tensor -> stored and new shape, of those that cannot be fitted.
        loaded: tensors of the body, as stored or adapted; None: the hub's file is not at hand to be counted.
        body: tensors that the model has, without the classifier.
        missing: those of them that the file lacks.
        unexpected: names in the file that the model lacks.
    """

    classes: tuple[int | None, int]
    channels: tuple[int, int]
    resized: dict[str, tuple[Shape, Shape]] = {}
    misshapen: dict[str, tuple[Shape, Shape]] = {}
    loaded: int | None = None
    body: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    classifier_kept: bool = False

    @property
    def channel_scale(self) -> float:
        """Factor on the first layer's weights."""
        return self.channels[0] / self.channels[1]

    @property
    def text(self) -> str:
        """All of it in one line."""
        stored, ours = self.classes
        before = "none" if stored is None else f"{stored:,}"
        kept = f"classifier of {counted(ours, 'output')}, as stored"
        parts = [kept if self.classifier_kept else f"classifier {before} -> {counted(ours, 'output')}, new"]
        if self.channels[0] != self.channels[1]:
            parts.append(
                f"first layer {self.channels[0]} -> {counted(self.channels[1], 'channel')}, repeated and scaled by "
                f"{self.channel_scale:.3g}"
            )
        shown = list(self.resized.items())[:2]
        parts += [f"{name} {_written(old)} -> {_written(new)}, resized" for name, (old, new) in shown]
        if len(self.resized) > len(shown):
            parts.append(f"{len(self.resized) - len(shown)} more resized")
        if self.loaded is not None:
            parts.append(f"{self.loaded} of {self.body} tensors of the body loaded")
        for name, tensors in (("missing", self.missing), ("unexpected", self.unexpected)):
            if tensors:
                more = ", ..." if len(tensors) > 3 else ""
                parts.append(f"{len(tensors)} {name}: {', '.join(tensors[:3])}{more}")
        return "; ".join(parts)

    def require_fit(self, architecture: str, path: Path) -> None:
        """Refuse another architecture's file.

        timm loads non-strictly when the classifier changes, so it would load nothing without a word.

        Raises:
            UserError: tensors are missing or have other shapes.
        """
        fix = "It belongs to another architecture; rename or remove it."
        if self.misshapen:
            name, (stored, own) = next(iter(self.misshapen.items()))
            raise UserError(
                f"{len(self.misshapen)} of {self.body} tensors have other shapes than those of {architecture}: {name} "
                f"is {_written(stored)}, not {_written(own)}",
                where=path,
                fix=fix,
            )
        if self.loaded is not None and self.loaded < _ENOUGH * self.body:
            raise UserError(
                f"only {self.loaded} of {self.body} tensors of {architecture} are in this file",
                where=path,
                fix=fix,
            )


def compare(timm_name: str, stored: Shapes, model: Any, *, classes: int, channels: int) -> Adaptation:
    """A file's tensors beside a built model's (which may be on torch's `meta` device).

    Args:
        stored: as `tensor_shapes` returns them.
        model: of timm.
        classes, channels: that it was built for.
    """
    heads = classifier_names(model)
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    body = {name: shape for name, shape in own.items() if not name.startswith(heads)}
    first = first_layers(model)
    shared = [name for name in body if name in stored]
    changed = {
        name: (stored[name], body[name])
        for name in shared
        if stored[name] != body[name] and name not in first
    }
    resized = {name: shapes for name, shapes in changed.items() if any(part in name for part in _RESIZABLE)}
    outputs = next(
        (shape[0] for name, shape in stored.items() if name.startswith(heads) and name.endswith("weight")),
        None,
    )
    return Adaptation(
        classes=(outputs, classes),
        channels=(stored_channels(timm_name, stored), channels),
        resized=resized,
        misshapen={name: shapes for name, shapes in changed.items() if name not in resized},
        loaded=len(shared),
        body=len(body),
        missing=tuple(name for name in body if name not in stored),
        unexpected=tuple(name for name in stored if name not in own and not name.startswith(heads)),
    )


def adaptation_of(
    timm_name: str, weights: Weights, *, classes: int, channels: int, input_size: int
) -> Adaptation | None:
    """What loading will change, without loading: from the file's tensor shapes, or what timm states of a hub's.

    Returns:
        None where nothing is loaded.

    Raises:
        UserError: the file cannot be read, or is another architecture's.
    """
    if not weights.pretrained:
        return None
    import timm
    import torch

    from grandmaster.models.builder import build_model

    with torch.device("meta"):
        model = build_model(
            timm_name, weights.unloaded(), classes=classes, input_size=input_size, in_channels=channels
        )
    if weights.path is not None:
        found = compare(timm_name, tensor_shapes(weights.path), model, classes=classes, channels=channels)
        found.require_fit(timm_name.split(".")[0], weights.path)
        return found
    config = timm.get_pretrained_cfg(timm_name, allow_unregistered=True)
    heads = classifier_names(model)
    return Adaptation(
        classes=(config.num_classes if config else None, classes),
        channels=(config.input_size[0] if config else 3, channels),
        body=sum(not name.startswith(heads) for name in model.state_dict()),
    )


def _written(shape: Shape) -> str:
    return "x".join(map(str, shape))
