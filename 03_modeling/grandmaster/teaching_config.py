"""Settings of what is learnt beyond the labels and the planned fits: pseudo-labels, teachers, specialists for pairs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class PseudoLabelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Learning from test pictures whose label the models are sure of; needs `run.allow_test_training`."""

    rounds: Annotated[
        Annotated[int, Meta(ge=0, le=10)] | None,
        Meta(
            description="most rounds, each kept only where it wins beyond the uncertainty; open: 1 where "
            "run.allow_test_training says so, else none"
        ),
    ] = None
    confidence: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="least probability of a pseudo-label; of several labels, of each of them",
        ),
    ] = 0.95
    kind: Annotated[
        Literal["hard", "soft"], Meta(description="hard: the label itself is learnt; soft: its probabilities")
    ] = "hard"
    cap: Annotated[
        float,
        Meta(
            gt=0.0,
            le=100.0,
            description="most pseudo-labels of a class, in its share of training pictures times all that are sure",
        ),
    ] = 1.0
    weight: Annotated[
        float, Meta(gt=0.0, le=10.0, description="how much a pseudo-label counts beside a training picture")
    ] = 1.0
    epochs_share: Annotated[
        float, Meta(gt=0.0, le=5.0, description="epochs of a round's fits, in those of the planned fits")
    ] = 1.0


class DistillConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A small model that learns from the others, to be used alone."""

    on: Annotated[bool, Meta(description="train a student on every fold and export one")] = False
    student: Annotated[
        str | None,
        Meta(description="backbone of the student; open: the planned one with the fewest parameters"),
    ] = None
    teacher: Annotated[
        str | None, Meta(description="backbone that alone is learnt from; open: the mean of all")
    ] = None
    temperature: Annotated[
        float,
        Meta(
            ge=1.0,
            le=20.0,
            description="softens teacher and student: teachers are all too sure of what they were trained on",
        ),
    ] = 2.0
    true_share: Annotated[
        float, Meta(ge=0.0, le=1.0, description="of the labels in the loss; the rest is the teacher's")
    ] = 0.5
    views: Annotated[
        Literal[1, 2, 4, 8],
        Meta(description="views of each picture that the teacher's answer is the mean of"),
    ] = 2
    epochs_share: Annotated[
        float, Meta(gt=0.0, le=10.0, description="epochs of the student, in those of its planned fit")
    ] = 1.0
    in_blend: Annotated[bool, Meta(description="the students join the blend that is handed in")] = False


class SpecialistConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second opinion on the classes that are taken for each other most often; for three classes or more."""

    mode: Annotated[
        Literal["off", "auto"],
        Meta(
            description="auto: specialists for pairs of classes are fitted on each model's features, and used where they win "
            "beyond the uncertainty"
        ),
    ] = "off"
    pairs: Annotated[int, Meta(ge=1, le=10, description="most pairs")] = 2
    draws: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="how often a specialist sees each training picture of its pair, each time augmented otherwise",
        ),
    ] = 4
    views: Annotated[
        Literal[1, 2, 4, 8],
        Meta(description="views of a picture that the specialists' answer is the mean of"),
    ] = 2
