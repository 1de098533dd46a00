"""Models that a person adds: `models.yaml` in the competition's folder, or the file that `model.registry_file` names.

Each is one of timm's, perhaps with arguments of its own; only `factory` is required, and nothing in the file is run:

    my_resnet:                          # the name, for model.backbones
      factory: resnet18.a1_in1k         # as timm calls it, with or without a tag of pretrained weights
      model_args: {act_layer: gelu}     # further arguments of timm.create_model
      input_size: 160                   # px; others: fine_tune_rate, scratch_rate, layer_decay
      small: true                       # small enough for few pictures
      title: ResNet-18 with GELU        # others: purpose, notes
      pretrained_on: photos of birds    # others: licence; in place of what timm states of the weights
      training_modes:                   # as the registry's; what is left out is as of any classifier of timm's
        supported: [fine_tuning]
        recommended: fine_tuning
        requirements:
          fine_tuning: {min_images: 500, max_images: 20000, gpu: any, time: an hour, source: my own notes}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

from grandmaster.errors import UserError, did_you_mean
from grandmaster.models.registry.backbones import Backbone, find_backbone, frozen_args
from grandmaster.models.registry.entry import ID_PATTERN, Documented, ModelEntry, TrainingModes
from grandmaster.models.registry.table import ENTRIES
from grandmaster.models.registry.timm_models import entry_of
from grandmaster.storage import file_sha256

FILE_NAME = "models.yaml"
# What a run decides itself, and what would fetch or load something behind its back.
_NOT_HERE = frozenset(
    {
        *("num_classes", "in_chans", "img_size", "drop_rate", "drop_path_rate", "features_only", "out_indices"),
        *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "scriptable"),
    }
)  # fmt: skip
_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)

Rate = Annotated[float, Meta(gt=0.0, le=1.0)]


class AddedModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file says of one model; None or empty: as timm or the registry has it."""

    factory: Annotated[str, Meta(min_length=1)]
    model_args: dict[str, Any] = {}
    input_size: Annotated[int, Meta(ge=32, le=2048)] | None = None
    fine_tune_rate: Rate | None = None
    scratch_rate: Rate | None = None
    layer_decay: Rate | None = None
    small: bool = False
    title: str = ""
    purpose: str = ""
    notes: str = ""
    pretrained_on: str = ""
    licence: str = ""
    training_modes: TrainingModes | None = None


def file_of(registry_file: str | None, folder: Path | None) -> Path | None:
    """The file that is read: the one that is set, else the folder's, if it has one."""
    if registry_file is not None:
        return Path(registry_file)
    path = None if folder is None else folder / FILE_NAME
    return path if path is not None and path.is_file() else None


def added_models(registry_file: str | None, folder: Path | None) -> dict[str, ModelEntry]:
    """The models that a person added, checked.

    Args:
        registry_file: as set; None: not.
        folder: of the competition.

    Raises:
        UserError: the file cannot be read, or the first mistake in it, with its line.
    """
    path = file_of(registry_file, folder)
    return {} if path is None else read_models(path)


def added_hash(registry_file: str | None, folder: Path | None) -> str:
    """Changes when the file does; empty where there is none."""
    path = file_of(registry_file, folder)
    return file_sha256(path) if path is not None and path.is_file() else ""


def read_models(path: Path) -> dict[str, ModelEntry]:
    """The models of one file.

    Raises:
        UserError: see `added_models`.
    """
    node, content = _parsed(path)
    found: dict[str, ModelEntry] = {}
    for key, value in node.value if node is not None else []:
        name = str(key.value)
        if name in ENTRIES:
            raise _mistake(path, key, f"{name!r} is a model of the registry", "Give yours another name.")
        found[name] = _entry(path, name, key, value, content[name])
    return found


def _entry(path: Path, name: str, key: yaml.Node, node: yaml.Node, content: Any) -> ModelEntry:
    if not isinstance(node, yaml.MappingNode):
        raise _mistake(path, key, f"{name} has no fields", "At least: `factory: resnet18`.")
    fields = AddedModel.__struct_fields__
    for field, _ in node.value:
        if field.value not in fields:
            raise _mistake(
                path,
                field,
                f"{name} has an unknown field {field.value!r}",
                did_you_mean(str(field.value), fields),
            )
    if not re.match(ID_PATTERN, name):
        raise _mistake(path, key, f"{name!r} cannot be a name", "Use letters, digits, _, - and dots.")
    said = _converted(path, name, node, content)
    backbone = _backbone(path, name, node, said)
    plain = entry_of(backbone)
    return msgspec.structs.replace(
        plain,
        title=said.title or f"{plain.title}, yours",
        small=said.small,
        training_modes=said.training_modes or plain.training_modes,
        purpose=said.purpose or "added by you",
        notes=said.notes,
        documented=Documented(
            pretrained_on=said.pretrained_on, licence_weights=said.licence, source=path.name
        ),
    )


def _converted(path: Path, name: str, node: yaml.MappingNode, content: Any) -> AddedModel:
    try:
        return msgspec.convert(content, AddedModel)
    except msgspec.ValidationError as error:
        told = _PATH.match(str(error))
        assert told is not None, "the pattern takes any text"
        where = told["path"] or ""
        field = where.lstrip(".")
        said = f"{name}: {field}: {told['what']}" if field else f"{name}: {told['what']}"
        raise _mistake(path, _node_at(node, where), said, None) from error


def _backbone(path: Path, name: str, node: yaml.MappingNode, said: AddedModel) -> Backbone:
    """How the model is trained, from what timm knows and the file says; built once, without memory, to see that it can be."""
    places = {str(key.value): key for key, _ in node.value}
    try:
        base = find_backbone(said.factory)
    except UserError as error:
        raise _mistake(path, places["factory"], f"{name}: {error.what}", error.fix) from error
    if taken := sorted(_NOT_HERE & set(said.model_args)):
        raise _mistake(
            path, places["model_args"], f"{name}: {taken[0]} is decided by the run", "Leave it out of model_args."
        )  # fmt: skip
    changes = {
        "input_size": said.input_size,
        "fine_tune_rate": said.fine_tune_rate,
        "scratch_rate": said.scratch_rate,
        "layer_decay": said.layer_decay,
    }
    backbone = msgspec.structs.replace(
        base,
        name=name,
        note=said.notes,
        model_args=frozen_args(said.model_args),
        **{field: value for field, value in changes.items() if value is not None},
    )
    if said.model_args:
        _require_buildable(path, places["model_args"], backbone)
    return backbone


def _require_buildable(path: Path, node: yaml.Node, backbone: Backbone) -> None:
    import timm
    import torch

    try:
        with torch.device("meta"):
            timm.create_model(backbone.timm_name.split(".")[0], **dict(backbone.model_args))
    except (TypeError, ValueError, KeyError, AttributeError, AssertionError, RuntimeError) as error:
        raise _mistake(
            path,
            node,
            f"{backbone.name}: timm does not take these model_args: {' '.join(str(error).split())[:200]}",
            f"See the arguments of timm's {backbone.timm_name.split('.')[0]}.",
        ) from error


def _parsed(path: Path) -> tuple[yaml.MappingNode | None, Mapping[str, Any]]:
    """The file as nodes, which know their lines, and as plain values; SafeLoader makes nothing else."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return None, {}
        _require_single_keys(path, node)
        content = yaml.load(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(
            f"cannot read: {error.strerror or error}", where=path, fix="Mend model.registry_file."
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        line = " ".join(str(error).split())
        raise UserError(
            f"not valid YAML: {line}", where=path, fix="`name:`, and its fields below."
        ) from error
    if not isinstance(node, yaml.MappingNode) or not all(isinstance(key, str) for key in content):
        raise _mistake(
            path, node, "this is no list of models by name", "`my_model:`, and below it `factory: resnet18`."
        )
    return node, content


def _require_single_keys(path: Path, node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise _mistake(path, key, f"{key.value!r} appears twice", "Keep one of them.")
            if isinstance(key.value, str):
                seen.add(key.value)
            _require_single_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _require_single_keys(path, value)


def _node_at(node: yaml.Node, where: str) -> yaml.Node:
    """The node of `.training_modes.supported[0]`, or the innermost there is on the way to it."""
    for name, number in re.findall(r"\.([^.\[]+)|\[(\d+)\]", where):
        if isinstance(node, yaml.MappingNode):
            inner = [value for key, value in node.value if key.value == name]
        elif isinstance(node, yaml.SequenceNode) and number:
            inner = node.value[int(number) : int(number) + 1]
        else:
            inner = []
        if not inner:
            return node
        node = inner[0]
    return node


def _mistake(path: Path, node: yaml.Node, what: str, fix: str | None) -> UserError:
    return UserError(what, where=f"{path}, line {node.start_mark.line + 1}", fix=fix)
