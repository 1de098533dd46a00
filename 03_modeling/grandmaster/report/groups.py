"""Groups of pictures that belong together, as small pictures with a caption each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grandmaster.competition.table import Competition
from grandmaster.language import Speaker
from grandmaster.report.pictures import thumbnail
from grandmaster.report.truth import answer

MOST_GROUPS = 6
PICTURES_EACH = 3


@dataclass(frozen=True, kw_only=True)
class Example:
    """One picture; `picture` is a `data:` URI, empty where the file cannot be read any more."""

    id: str
    caption: str
    picture: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The first pictures of a group, and how many more there are."""

    pictures: tuple[Example, ...]
    others: int


@dataclass(frozen=True, kw_only=True)
class Known:
    """Pictures by id: what is written under one, and its file."""

    captions: Mapping[str, str]
    paths: Mapping[str, str]


def training_pictures(competition: Competition, say: Speaker) -> Known:
    """With the names of their labels (or their value) as captions."""
    ids = competition.train["id"].tolist()
    return Known(
        captions={
            picture_id: answer(competition, target, say)
            for picture_id, target in zip(ids, competition.targets, strict=True)
        },
        paths=dict(zip(ids, competition.train["path"], strict=True)),
    )


def test_pictures(competition: Competition) -> Known:
    """All with the same caption: nobody knows their labels."""
    ids = competition.test["id"].tolist()
    return Known(
        captions=dict.fromkeys(ids, "test"), paths=dict(zip(ids, competition.test["path"], strict=True))
    )


def show_groups(
    groups: Iterable[Sequence[tuple[str, Known]]], *, most: int = MOST_GROUPS
) -> tuple[Group, ...]:
    """The first groups of (id, where it is known); of each, one picture of every caption comes first."""
    shown = []
    for group in list(groups)[:most]:
        members = [(picture_id, known) for picture_id, known in group if picture_id in known.paths]
        first = {
            known.captions[picture_id]: place
            for place, (picture_id, known) in reversed([*enumerate(members)])
        }
        order = sorted(range(len(members)), key=lambda place: (place not in first.values(), place))
        pictures = [_example(*members[place]) for place in order[:PICTURES_EACH]]
        shown.append(Group(pictures=tuple(pictures), others=len(group) - len(pictures)))
    return tuple(shown)


def _example(picture_id: str, known: Known) -> Example:
    picture = thumbnail(known.paths[picture_id])
    return Example(id=picture_id, caption=known.captions[picture_id], picture=picture or "")
