"""All entries by id, and finding one."""

from __future__ import annotations

from collections.abc import Mapping

from grandmaster.errors import UserError, did_you_mean
from grandmaster.models.registry.backbones import find_backbone
from grandmaster.models.registry.entry import ModelEntry
from grandmaster.models.registry.other_models import OTHER_ENTRIES
from grandmaster.models.registry.timm_models import TIMM_ENTRIES, entry_of


def by_id(entries: tuple[ModelEntry, ...]) -> dict[str, ModelEntry]:
    """Entries by their ids; two of one id are a mistake in this program."""
    found = {entry.id: entry for entry in entries}
    assert len(found) == len(entries), "two models of one id"
    return found


ENTRIES: dict[str, ModelEntry] = by_id((*TIMM_ENTRIES, *OTHER_ENTRIES))
_NONE: Mapping[str, ModelEntry] = {}


def find_entry(name: str, added: Mapping[str, ModelEntry] = _NONE) -> ModelEntry:
    """The entry of that id; else what holds for any model of timm's.

    Args:
        added: what a person registered besides.

    Raises:
        UserError: nobody knows it.
    """
    if name in added:
        return added[name]
    if name in ENTRIES:
        return ENTRIES[name]
    try:
        return entry_of(find_backbone(name))
    except UserError as unknown:
        near = did_you_mean(name, [*ENTRIES, *added])
        if near.startswith("Did"):
            raise UserError(unknown.what, where=unknown.where, fix=near) from None
        raise
