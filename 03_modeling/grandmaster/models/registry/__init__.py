"""Models by name: what is known of each, how it may be trained, and what a person adds in a file of their own."""

from grandmaster.models.registry.backbones import (
    BACKBONES,
    FROM_SCRATCH_ON_CPU,
    LARGE_SEVEN,
    MEDIUM,
    SMALL,
    Backbone,
    ModelArgs,
    find_backbone,
    frozen_args,
)
from grandmaster.models.registry.entry import ModelEntry, Task
from grandmaster.models.registry.table import ENTRIES, find_entry

__all__ = [
    "BACKBONES",
    "ENTRIES",
    "FROM_SCRATCH_ON_CPU",
    "LARGE_SEVEN",
    "MEDIUM",
    "SMALL",
    "Backbone",
    "ModelArgs",
    "ModelEntry",
    "Task",
    "find_backbone",
    "find_entry",
    "frozen_args",
]
