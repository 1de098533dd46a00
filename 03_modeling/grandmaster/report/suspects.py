"""The section about labels that are probably wrong."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from grandmaster.competition.table import Competition
from grandmaster.language import Speaker
from grandmaster.report.artefacts import RunArtefacts, Suspect
from grandmaster.report.pictures import thumbnail

MOST_SUSPECTS = 24


@dataclass(frozen=True, kw_only=True)
class SuspectedLabel:
    """One picture with its label and what is suggested instead."""

    suspect: Suspect
    label: str
    suggested: str | None
    picture: str | None


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """The section.

    Attributes:
        shown: the least credible labels.
        count: of all suspects.
        judged, pictures: training pictures whose label was compared with an out-of-fold prediction, and all.
        notes: what could not be judged.
        command: shows the suspects and, once a person adds --write, accepts them.
    """

    shown: tuple[SuspectedLabel, ...]
    count: int
    judged: int | None
    pictures: int | None
    notes: tuple[str, ...]
    command: str


def describe_suspects(run: RunArtefacts, competition: Competition, say: Speaker) -> Suspects | None:
    """Gather the section; None where the run has not come so far."""
    if run.suspects is None:
        return None
    names = dict(zip(competition.classes, competition.class_names, strict=True))
    paths = dict(zip(competition.train["id"], competition.train["path"], strict=True))
    shown = []
    for suspect in run.suspects[:MOST_SUSPECTS]:
        path = paths.get(suspect.id)
        no_suggestion = suspect.suggested == "" and suspect.p_suggested is None
        shown.append(
            SuspectedLabel(
                suspect=suspect,
                label=names.get(suspect.label, suspect.label or say("shared.no_label")),
                suggested=None
                if no_suggestion
                else names.get(suspect.suggested, suspect.suggested or say("shared.no_label")),
                picture=None if path is None else thumbnail(path),
            )
        )
    summary = run.label_quality
    return Suspects(
        shown=tuple(shown),
        count=len(run.suspects),
        judged=summary.judged if summary else None,
        pictures=summary.training_pictures if summary else None,
        notes=summary.notes if summary else (),
        command=_command(run, min(len(run.suspects), MOST_SUSPECTS)),
    )


def _command(run: RunArtefacts, top: int) -> str:
    """From the repository's root, as the run's own command is; its folder is where that command puts runs."""
    own = (run.final and run.final.command) or (run.environment and run.environment.command) or ""
    try:
        words = shlex.split(own)
    except ValueError:
        words = []
    results = words[words.index("--output") + 1] if "--output" in words[:-1] else "training_results"
    folder = f"{results}/{run.folder.resolve().name}"
    return shlex.join(["python", "04_training/accept_labels.py", "--run", folder, "--top", str(top)])
