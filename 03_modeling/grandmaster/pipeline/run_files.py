"""What the folder of a run holds, told by its files alone: loads nothing heavy, for command lines ask it first."""

from __future__ import annotations

from pathlib import Path

from grandmaster.errors import UserError

OF_A_FINISHED_RUN = ("config.json", "final_results.json", "ensemble/oof.npz")


def require_finished(folder: Path) -> None:
    """Refuse a folder that is not that of a run which came to its end.

    Raises:
        UserError: it is missing, or has no result; says what to do.
    """
    if not folder.is_dir():
        raise UserError("no such run", where=folder, fix="Give a folder of training_results/.")
    for name in OF_A_FINISHED_RUN:
        if not (folder / name).exists():
            raise UserError(
                f"the run has not come to its end: no {name}",
                where=folder,
                fix="Repeat its command; it goes on where it stopped.",
            )
