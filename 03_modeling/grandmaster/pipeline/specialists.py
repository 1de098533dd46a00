"""The stage that fits specialists for pairs of classes, upon what the models of the blend know of a picture already.

A specialist of a pair is a logistic regression of "the one, not the other" on the penultimate features of one fit's model,
learnt from that fit's training pictures of both classes. It costs forward passes and no training. What keeps it honest:

- fold k's specialist never sees a picture or a label of fold k: model, features and labels are those of fold k's training
  pictures alone;
- which pairs serve a part of the pictures (`objective.parts_of`: a fold, or a piece of one) is chosen on out-of-fold
  predictions of the other parts, those for test pictures on all. The models behind these predictions did see the part's
  labels, as in all stacking; the one that predicts it never did.

Whether a specialist is listened to is decided with the blend: see `resplitting`.

Off unless asked for: features that a model learnt of its training pictures tell these apart nearly without error, and with them
little that its own head does not know. On 1,112 real pictures of 17 classes, scored corrupted, the first pair took macro F1
from 0.5958 to 0.5939 (paired 95 % interval of the gain -0.009 to +0.005), whatever the penalty; the blend stayed as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.joining import objective_of
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.pipeline.members import Member, blended, compared_on, member_spec, standing_members
from grandmaster.pipeline.pacing import SHARE_OF_TIME
from grandmaster.pipeline.pair_fitting import MOST_PICTURES, fit_pairs
from grandmaster.pipeline.techniques import Technique, forget, record
from grandmaster.pipeline.timed_plan import end_seconds
from grandmaster.prediction.pairs import Pair, confused_pairs
from grandmaster.storage import digest, file_sha256, read_json
from grandmaster.training.checkpoint import best_sha256

NAME, TITLE = "specialist", "Pair specialist"


@dataclass(frozen=True, kw_only=True)
class ChosenPairs:
    """Pairs of classes by the part of the pictures that they serve; under None those for test pictures."""

    of_part: dict[int | None, tuple[Pair, ...]]
    fold_of_part: dict[int, int]

    def of_fold(self, fold: int) -> tuple[Pair, ...]:
        """All that a fit of this fold needs a specialist for."""
        parts = [part for part, own in self.fold_of_part.items() if own == fold]
        return tuple(sorted({pair for part in (None, *parts) for pair in self.of_part[part]}))


@dataclass(frozen=True, kw_only=True)
class Specialists:
    """Of every fit of the blend, finished.

    Attributes:
        pairs: that they are for.
        folders: of the fits' specialists, with `<kind>.npz` and `test.npz`, one output for each pair.
    """

    pairs: ChosenPairs
    folders: tuple[Path, ...]

    @property
    def hash(self) -> str:
        """Changes when what they say does, or for which part it counts."""
        said = [file_sha256(folder / "manifest.json") for folder in self.folders]
        return digest([[(part, pairs) for part, pairs in self.pairs.of_part.items()], said])


def specialists_at_hand(context: RunContext) -> Specialists | None:
    """What `fit_specialists` made for the fits that stand now; None where none were asked for, or some are missing."""
    if context.config.specialist.mode == "off":
        return None
    members = standing_members(context)
    chosen = choose_pairs(context, members)
    if isinstance(chosen, str) or not all(_is_done(context, member, chosen) for member in members):
        return None
    return Specialists(pairs=chosen, folders=tuple(_folder(context, member) for member in members))


def fit_specialists(context: RunContext) -> None:
    """Specialists of every fit of the blend -> `specialist/fold_<k>/<backbone>/`."""
    if context.config.specialist.mode == "off":
        forget(context, NAME)
        return
    members = standing_members(context)
    chosen = choose_pairs(context, members)
    if isinstance(chosen, str):
        forget(context, NAME)
        record(context, not_tried(chosen))
        return
    undone = [member for member in members if not _is_done(context, member, chosen)]
    for member in [member for member in members if member not in undone]:
        context.progress.finish(_task(member), "done before")
    seconds = {_task(member): _seconds(context, member, chosen) for member in undone}
    context.progress.expect(seconds)
    left = context.clock.left() - end_seconds(len(context.trainable))
    if undone and sum(seconds.values()) > SHARE_OF_TIME * left:
        why = "the time limit leaves too little for it"
        context.revisions.say(f"gave up specialists for pairs of classes: {why}")
        record(context, not_tried(why))
        return
    for member in undone:
        _fit(context, member, chosen)


def not_tried(why: str) -> Technique:
    """The line where there is nothing to compare."""
    return Technique(name=NAME, title=TITLE, kept=False, why=f"Not tried: {why}.")


def choose_pairs(context: RunContext, members: Sequence[Member]) -> ChosenPairs | str:
    """The pairs that the plain mean of these fits confuses most, for every part on the others; or why there are none."""
    competition = context.competition
    if competition.kind != "multiclass" or len(competition.classes) < 3:
        return "it is for targets of one class of three or more"
    known = blended(members, compared_on(context))
    objective = objective_of(context, known.ids)
    if not objective.can_choose:
        return "there are too few groups of pictures to choose on some and try on others"
    folds = context.trainable.set_index("id").loc[list(known.ids), "fold"].to_numpy(np.int64)
    most = context.config.specialist.pairs
    of_part: dict[int | None, tuple[Pair, ...]] = {}
    for part in (None, *objective.parts):
        inside = objective.inside(frozenset() if part is None else frozenset({part}))
        of_part[part] = confused_pairs(objective.targets[inside], known.values[inside], most)
    if not of_part[None]:
        return "no pair of classes is taken for each other more than once"
    fold_of_part = {part: int(folds[objective.part == part][0]) for part in objective.parts}
    return ChosenPairs(of_part=of_part, fold_of_part=fold_of_part)


def _folder(context: RunContext, member: Member) -> Path:
    place = f"{member.model.backbone}_{member.variant.replace(' ', '_')}".rstrip("_")
    return context.folder / "specialist" / f"fold_{member.fold}" / place


def _task(member: Member) -> str:
    return f"specialists of {member.name}"


def _inputs(context: RunContext, member: Member, chosen: ChosenPairs) -> dict[str, Any]:
    settings = context.config.specialist
    return {
        "fit": member_spec(context, member).digest,
        "weights": best_sha256(member.folder / "checkpoint"),
        "data": context.data_hash,
        "pairs": chosen.of_fold(member.fold),
        "draws": settings.draws,
        "views": settings.views,
    }


def _is_done(context: RunContext, member: Member, chosen: ChosenPairs) -> bool:
    manifest = _folder(context, member) / "manifest.json"
    return is_done(manifest, _inputs(context, member, chosen))


def _seconds(context: RunContext, member: Member, chosen: ChosenPairs) -> float:
    """Estimate, at the speed of training: forward passes are quicker, by a factor that differs from model to model."""
    settings, frame = context.config.specialist, context.trainable
    labels, own = context.targets(), frame["fold"].to_numpy() == member.fold
    learnt = sum(
        min(MOST_PICTURES, int((np.isin(labels, pair) & ~own).sum())) for pair in chosen.of_fold(member.fold)
    )
    kinds = 2 if context.plan.corruption else 1
    predicted = settings.views * (kinds * int(own.sum()) + len(context.competition.test))
    known = read_json(member.folder / "result.json")
    pictures = settings.draws * learnt + predicted
    return pictures / max(1e-3, float(known["images_per_second"]))


def _fit(context: RunContext, member: Member, chosen: ChosenPairs) -> None:
    """Fit and predict what `chosen` asks of this fit."""
    task, folder = _task(member), _folder(context, member)
    written = fit_pairs(context, member, chosen.of_fold(member.fold), folder, task=task)
    mark_done(folder / "manifest.json", _inputs(context, member, chosen), written)
    context.progress.finish(task)
