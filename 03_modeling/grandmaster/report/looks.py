"""Where the models look, as the stage that writes the report found it."""

from __future__ import annotations

from dataclasses import dataclass

from grandmaster.competition.table import Competition
from grandmaster.language import Speaker
from grandmaster.report.artefacts import RunArtefacts
from grandmaster.report.groups import training_pictures
from grandmaster.report.pictures import whole_picture


@dataclass(frozen=True, kw_only=True)
class Look:
    """A picture under its heat.

    Attributes:
        said: whose heat it is: the class or label that was answered, or the column.
        value: of it, a probability or a number.
        truth: of the picture, for people.
    """

    id: str
    picture: str
    said: str
    value: float | None
    truth: str
    right: bool
    fit: str
    method: str


def describe_looks(run: RunArtefacts, competition: Competition, say: Speaker) -> tuple[Look, ...]:
    """The surest wrong answers, then right ones; empty where there are none, or their files are gone."""
    names = competition.class_names if competition.classes else competition.outputs
    captions = training_pictures(competition, say).captions
    found = []
    for line in run.looks:
        picture = whole_picture(run.folder / "looks" / line.file) if _is_name(line.file) else None
        if picture is not None and 0 <= line.output < len(names):
            found.append(
                Look(
                    id=line.id,
                    picture=picture,
                    said=names[line.output],
                    value=line.value,
                    truth=captions.get(line.id, ""),
                    right=line.right,
                    fit=line.fit,
                    method=line.method,
                )
            )
    return tuple(found)


def _is_name(file: str) -> bool:
    """No path that leads elsewhere: the file is a run's, but may have been edited."""
    return "/" not in file and "\\" not in file and file not in ("", ".", "..")
