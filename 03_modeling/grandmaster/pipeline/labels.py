"""The stage that doubts labels, once there are predictions of pictures that no model has learnt."""

from __future__ import annotations

from grandmaster.competition.predictions import Predictions
from grandmaster.eda.label_quality import FILTER, SCORE, find_label_suspects
from grandmaster.pipeline.context import RunContext
from grandmaster.pipeline.manifest import is_done, mark_done
from grandmaster.storage import digest, file_sha256, write_csv, write_json
from grandmaster.texts import counted

FEWEST_SECONDS = 8.0  # to have left: the submission and the report come after it


def label_quality(context: RunContext) -> None:
    """List probable label errors -> `label_suspects.csv`, and what was judged -> `label_quality.json`.

    Nothing is changed by it; `accept_labels.py` makes a `label_fixes.csv` of those that a person believes.
    """
    path, summary = context.folder / "label_suspects.csv", context.folder / "label_quality.json"
    manifest = context.folder / "label_quality.manifest.json"
    oof = context.folder / "ensemble" / "oof.npz"
    conflicts = context.fingerprint["duplicates"]["label_conflicts"]
    inputs = {
        "data": context.data_hash,
        "out_of_fold": file_sha256(oof),
        "conflicts": digest(conflicts),
        "method": [FILTER, SCORE],
    }
    if is_done(manifest, inputs):
        return
    if context.clock.left() < FEWEST_SECONDS:
        context.revisions.say("labels are not doubted; the same command does")
        return
    found = find_label_suspects(context.competition, Predictions.load(oof), conflicts)
    write_csv(path, found.suspects)
    pictures = len(context.competition.train)
    write_json(
        summary,
        {
            "suspects": len(found.suspects),
            "judged": found.judged,
            "training_pictures": pictures,
            "method": f"cleanlab, {FILTER}, ranked by {SCORE}",
            "notes": found.notes,
        },
    )
    mark_done(manifest, inputs, [path, summary])
    if len(found.suspects):
        context.progress.message(
            f"{counted(len(found.suspects), 'label')} may be wrong ({found.judged} of {pictures} were judged): "
            "see label_suspects.csv and the report.",
            "warn",
        )
