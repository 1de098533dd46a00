"""What is stated of a model: the schema of an entry, checked when it is made."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from grandmaster.config import TrainingMode
from grandmaster.models.registry.backbones import Backbone

Task = Literal["classification", "detection", "segmentation", "pose", "super_resolution"]
Library = Literal["timm", "ultralytics", "transformers", "spandrel"]

ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"
Text = Annotated[str, Meta(min_length=1)]


class Requirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a mode asks for, as somebody states it: never measured here.

    Attributes:
        min_images, max_images: for which the mode is meant; None: no upper end.
        gpu, time: in the source's words.
        source: who says so.
    """

    min_images: Annotated[int, Meta(ge=0)] = 0
    max_images: Annotated[int, Meta(ge=1)] | None = None
    gpu: str = ""
    time: str = ""
    source: Text

    def __post_init__(self) -> None:
        if self.max_images is not None and self.max_images < self.min_images:
            raise ValueError(f"max_images {self.max_images} is less than min_images {self.min_images}")

    @property
    def images(self) -> str:
        """The span of pictures in words."""
        if self.max_images is None:
            return f"from {self.min_images:,} pictures on" if self.min_images else "any number of pictures"
        return f"{self.min_images:,} to {self.max_images:,} pictures"


class TrainingModes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model may be trained.

    Attributes:
        supported: modes that are offered.
        discouraged: those of them that are offered with a warning.
        recommended: the one to begin with.
        requirements: mode -> what it asks for.
        refused: mode that is not offered -> why.
    """

    supported: Annotated[tuple[TrainingMode, ...], Meta(min_length=1)]
    discouraged: tuple[TrainingMode, ...] = ()
    recommended: TrainingMode
    requirements: dict[TrainingMode, Requirement] = {}
    refused: dict[TrainingMode, Text] = {}

    def __post_init__(self) -> None:
        if len(set(self.supported)) < len(self.supported):
            raise ValueError("a mode is supported twice")
        for name, modes in (
            ("recommended", (self.recommended,)),
            ("discouraged", self.discouraged),
            ("requirements", tuple(self.requirements)),
        ):
            if others := [mode for mode in modes if mode not in self.supported]:
                raise ValueError(f"{name} has {others[0]}, which is not supported")
        if self.recommended in self.discouraged:
            raise ValueError(f"{self.recommended} is recommended and discouraged")
        if both := [mode for mode in self.refused if mode in self.supported]:
            raise ValueError(f"{both[0]} is supported and refused")


class Documented(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Facts that are taken from a document, because the library that knows them is not installed or does not tell.

    Attributes:
        million_parameters, input_size, pretrained_on, licence_code, licence_weights: None or empty: not stated.
        source: where they are stated.
    """

    million_parameters: Annotated[float, Meta(gt=0)] | None = None
    input_size: Annotated[int, Meta(ge=32)] | None = None
    pretrained_on: str = ""
    licence_code: str = ""
    licence_weights: str = ""
    source: Text


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model of the registry. What can be counted or read from a library is not here: see `facts`.

    Attributes:
        id: what users write.
        title: its usual name.
        factory: what the library builds it by: timm's `architecture.tag`, a YAML name of ultralytics, a hub's repository.
        extra: package to install for it; empty: what a run needs anyway.
        weights_source: where its weights come from.
        small: small enough for few pictures.
        backbone: how it is trained here; None: it is not, yet.
        documented: facts nobody here can compute.
        purpose: what it is for, in a sentence.
    """

    id: Annotated[str, Meta(pattern=ID_PATTERN, max_length=80)]
    title: Text
    task: Task
    library: Library
    factory: Text
    extra: str = ""
    weights_source: Text
    small: bool = False
    training_modes: TrainingModes
    backbone: Backbone | None = None
    documented: Documented | None = None
    purpose: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        if (self.library == "timm") is not (self.backbone is not None):
            raise ValueError("models of timm have a backbone, others have none")
        if self.library != "timm" and self.documented is None:
            raise ValueError("its facts are not documented")
