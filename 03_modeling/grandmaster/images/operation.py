"""One step of an augmentation policy, as it stands in the plan."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transform by name, how often it is applied, and why.

    Attributes:
        name: a class of albumentations or one of `grandmaster.images.transforms.OWN_TRANSFORMS`.
        probability: share of pictures that it is applied to.
        params: the transform's arguments.
        reason: for the person who reads the plan.
    """

    name: str
    probability: Annotated[float, Meta(ge=0.0, le=1.0)]
    params: dict[str, Any] = {}
    reason: str = ""
