"""Whether weights that predict untrained have seen the pictures that they are scored on, as far as runs at hand tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from grandmaster.errors import UserError
from grandmaster.models.weights import Weights, stated_facts
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.manifest import read_manifest
from grandmaster.pipeline.training_modes import trains
from grandmaster.progress import Level
from grandmaster.storage import read_object
from grandmaster.training.checkpoint import BEST


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The fit that made a file of weights."""

    run: Path
    fold: int


def tell_of_seen_pictures(context: RunContext) -> None:
    """Say of every model that is not trained here how far its score can be believed; nothing where models are trained."""
    if trains(context.config):
        return
    for model in context.plan.models:
        text, level = _told(context, model.backbone, model.weights)
        context.progress.message(text, level)


def _told(context: RunContext, backbone: str, weights: Weights) -> tuple[str, Level]:
    frame = context.trainable
    scored = set(frame.loc[frame["fold"] < context.plan.folds_trained, "id"])
    origin = find_origin(weights, context.folder)
    if origin is None:
        why = "no run at hand says on which pictures they were trained"
        return _unknown(backbone, why), "warn"
    learnt = learnt_ids(origin, context.fingerprint.get("contents"))
    if learnt is None:
        return _unknown(backbone, f"run {origin.run.name} made them, of other pictures than these"), "warn"
    seen = len(scored & learnt)
    if seen == 0:
        return (
            f"inference_only: the weights of {backbone} (run {origin.run.name}, fold {origin.fold}) were trained on none of "
            f"the {len(scored):,} pictures that they are scored on.",
            "good",
        )
    return (
        f"inference_only: the weights of {backbone} (run {origin.run.name}, fold {origin.fold}) were trained on {seen:,} of "
        f"the {len(scored):,} pictures that they are scored on: this score is too good, do not believe it.",
        "warn",
    )


def _unknown(backbone: str, why: str) -> str:
    return (
        f"inference_only: unknown whether the weights of {backbone} saw the pictures that they are scored on ({why}); "
        "if they did, the score is too good."
    )


def find_origin(weights: Weights, run_folder: Path) -> Origin | None:
    """The fit that made these weights, by the hash of the file or the fit's name in the JSON file beside it.

    It is looked for where the file lies, and in the runs beside this one.
    """
    if weights.path is None:
        return None
    stated = stated_facts(weights)
    facts = stated.get("facts")
    fit = stated.get("fit") or (facts.get("fit") if isinstance(facts, dict) else None)
    for manifest in _manifests(weights.path, run_folder):
        known = None
        with suppress(UserError):  # a run of somebody else's that may not be read tells nothing
            known = read_manifest(manifest)
        if known is None:
            continue
        made = known.outputs.get(f"checkpoint/{BEST}")
        if made == weights.sha256 or (fit is not None and known.inputs.get("fit") == fit):
            fold = manifest.parents[1].name.removeprefix("fold_")
            return Origin(run=manifest.parents[2], fold=int(fold)) if fold.isdigit() else None
    return None


def _manifests(weights: Path, run_folder: Path) -> Iterator[Path]:
    """Of fits: that in whose folder the file lies, then those of the runs beside, also of comparisons."""
    yield weights.resolve().parents[1] / "manifest.json"
    for depth in ("*", "*/*"):
        yield from sorted(run_folder.parent.glob(f"{depth}/fold_*/*/manifest.json"))


def learnt_ids(origin: Origin, contents: str | None) -> set[str] | None:
    """Ids of the pictures that a fit was trained on; None: its run is of other pictures, or does not tell.

    Args:
        contents: of this run's fingerprint: the hash of all training pictures' ids and bytes.
    """
    try:
        then = read_object(origin.run / "fingerprint.json").get("contents")
        if contents is None or then != contents:
            return None
        folds = pd.read_csv(origin.run / "folds.csv", dtype={"id": str, "fold": int}, keep_default_na=False)
    except (UserError, OSError, ValueError):
        return None
    return set(folds.loc[folds["fold"] != origin.fold, "id"])
