"""What a card about a model says, and which cards pass the filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from grandmaster.config import TrainingMode
from grandmaster.errors import UserError
from grandmaster.models.registry import ENTRIES, ModelEntry
from grandmaster.models.registry.facts import facts_of
from grandmaster.models.registry.guide import guide_lines
from grandmaster.models.registry.modes import badge, refusal
from grandmaster.models.weights import architectures_at_hand, non_commercial
from grandmaster.pipeline.measured import measured_speeds
from grandmaster.pipeline.memory import GPU_SHARE, least_memory_gb
from grandmaster.pipeline.speed import ProbeCache

Offered = Literal["recommended", "supported", "discouraged", "refused"]
MODES: tuple[TrainingMode, ...] = get_args(TrainingMode)


@dataclass(frozen=True, kw_only=True)
class ModeBadge:
    """Whether a model may be trained in a mode; `why` not, in the words that a run refuses it with."""

    mode: TrainingMode
    offered: Offered
    why: str


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One model.

    Attributes:
        missing: what keeps it from being trained here ("extra not installed"); empty: nothing.
        parameters: as documented or counted before; None: not known, or counting takes a while (`count`).
        documented: its facts are what others claim.
        at_hand: its weights lie in the folder that was given.
    """

    id: str
    title: str
    task: str
    purpose: str
    missing: str
    extra: str
    parameters: int | None
    documented: bool
    input_size: int | None
    pretrained_on: str
    licence: str
    non_commercial: bool
    at_hand: bool
    modes: tuple[ModeBadge, ...]

    @property
    def trainable(self) -> bool:
        """Whether it can be trained here at all."""
        return not self.missing


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What is wanted; None or empty: anything.

    Attributes:
        text: words that all have to occur in its name, purpose or pictures.
        licence: part of its name.
        most_million: parameters.
        most_gb: memory of the GPU that it has to be trainable on.
    """

    text: str = ""
    task: str | None = None
    mode: TrainingMode | None = None
    licence: str | None = None
    most_million: float | None = None
    most_gb: float | None = None
    at_hand: bool = False


def make_cards(
    weights_dir: Path | None, added: Mapping[str, ModelEntry] | None = None, *, counted: Mapping[str, int]
) -> list[ModelCard]:
    """A card for every model of the registry, then for those that a person added.

    Args:
        counted: parameters that were counted before, by id.
    """
    entries = [*ENTRIES.values(), *(added or {}).values()]
    return [_card(entry, weights_dir, counted.get(entry.id)) for entry in entries]


def _card(entry: ModelEntry, weights_dir: Path | None, counted: int | None) -> ModelCard:
    facts = facts_of(entry, count=False)
    return ModelCard(
        id=entry.id,
        title=entry.title,
        task=entry.task,
        purpose=entry.purpose,
        missing=badge(entry),
        extra=entry.extra,
        parameters=counted if facts.parameters is None else facts.parameters,
        documented=facts.source.startswith("documented"),
        input_size=facts.input_size,
        pretrained_on=facts.pretrained_on,
        licence=facts.licence_weights,
        non_commercial=non_commercial(facts.licence_weights),
        at_hand=_at_hand(entry, weights_dir),
        modes=tuple(_badge(entry, mode) for mode in MODES),
    )


def _badge(entry: ModelEntry, mode: TrainingMode) -> ModeBadge:
    modes, why = entry.training_modes, refusal(entry, mode)
    offered: Offered = "refused"
    if why is None:
        offered = "recommended" if mode == modes.recommended else "supported"
        offered = "discouraged" if mode in modes.discouraged else offered
    return ModeBadge(mode=mode, offered=offered, why=why or "")


def _at_hand(entry: ModelEntry, folder: Path | None) -> bool:
    if entry.backbone is None or folder is None:
        return False
    try:
        return bool(architectures_at_hand(folder, [entry.backbone]))
    except UserError:  # two files fit, say: the run will ask; here it only is no clear yes
        return False


def passing(cards: Iterable[ModelCard], wanted: Filters, memory: Mapping[str, float]) -> list[ModelCard]:
    """The cards that pass, in order.

    Args:
        memory: least GPU memory, GiB, by id; one that is not known passes no filter of memory.
    """
    return [card for card in cards if _passes(card, wanted, memory.get(card.id))]


def _passes(card: ModelCard, wanted: Filters, memory: float | None) -> bool:
    said = f"{card.id} {card.title} {card.purpose} {card.pretrained_on} {card.task}".lower()
    offered = {mode.mode for mode in card.modes if mode.offered != "refused"}
    return all(
        (
            all(word in said for word in wanted.text.lower().split()),
            wanted.task in (None, card.task),
            wanted.mode is None or wanted.mode in offered,
            wanted.licence is None or wanted.licence.lower() in card.licence.lower(),
            wanted.most_million is None
            or (card.parameters is not None and card.parameters <= wanted.most_million * 1e6),
            wanted.most_gb is None or (memory is not None and fits(memory, wanted.most_gb)),
            card.at_hand or not wanted.at_hand,
        )
    )


def fits(least_gb: float, card_gb: float) -> bool:
    """Whether a model that takes so much can be trained on a card of that memory, GiB."""
    return least_gb <= GPU_SHARE * card_gb


def count(name: str) -> int | None:
    """Parameters of a registered model; seconds for a large one. For a process of its own."""
    return facts_of(ENTRIES[name]).parameters


def least_memory(name: str) -> float | None:
    """Least GPU memory that training a registered model takes, GiB, counted; up to a minute. For a process of its own."""
    backbone = ENTRIES[name].backbone
    return None if backbone is None else least_memory_gb(backbone)


def guide_of(entry: ModelEntry, results: Path, images: int | None) -> list[str]:
    """The guide, as `models.py --guide` prints it, with what was measured on this machine."""
    speeds: list[str] = []
    if entry.backbone is not None:
        known = measured_speeds(ProbeCache(results / ".cache", read_only=True), entry.backbone.timm_name)
        speeds = [speed.text(images) for speed in known]
    return guide_lines(entry, facts_of(entry), images=images, speeds=speeds)
