"""Pictures about the shift that every page shows: training pictures that look like test, and the policy's sheet."""

from __future__ import annotations

from pathlib import Path

from grandmaster.report.artefacts import RunArtefacts
from grandmaster.report.groups import Example, Known
from grandmaster.report.pictures import thumbnail, whole_picture
from grandmaster.report.policy_sheet import FILE_NAME as SHEET

MOST_LOOKALIKES = 8


def lookalikes(run: RunArtefacts, train: Known) -> tuple[Example, ...]:
    """Training pictures that look most like test pictures."""
    told = run.shift.adversarial if run.shift else None
    found = told.most_test_like if told else ()
    ids = [picture_id for picture_id in found if picture_id in train.paths]
    return tuple(
        Example(
            id=picture_id,
            caption=train.captions[picture_id],
            picture=thumbnail(train.paths[picture_id]) or "",
        )
        for picture_id in ids[:MOST_LOOKALIKES]
    )


def policy_sheet(folder: Path) -> str | None:
    """The sheet of augmented pictures as a `data:` URI."""
    path = folder / SHEET
    return whole_picture(path) if path.is_file() else None
