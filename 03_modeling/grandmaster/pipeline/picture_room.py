"""Where a run keeps decoded pictures for later runs, and how many."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grandmaster.images.cache import CacheRoom
from grandmaster.pipeline.machine import GB, free_gb_of, nearest_folder

# Of what is free beside what the fits need, where nothing is set.
SHARE_OF_FREE = 0.25
# Everything below it is the output of a Kaggle notebook, is stored with it, and may not exceed 20 GB.
KAGGLE_OUTPUT = Path("/kaggle/working")


def picture_room(cache_folder: Path, limit_gb: float | None, *, needed: int = 0) -> CacheRoom | None:
    """The room for decoded pictures beside `cache_folder`'s other content; None: they are not kept.

    Args:
        limit_gb: most that they may take; 0: none are kept; None: a share of what is free beside `needed`.
        needed: bytes of the disk that the run's fits are still to take.
    """
    if limit_gb == 0:
        return None
    folder = cache_folder / "pictures"
    if KAGGLE_OUTPUT in folder.absolute().parents:
        folder, needed = Path(tempfile.gettempdir()) / "grandmaster_pictures", 0  # another disk
    free = free_gb_of(nearest_folder(folder.absolute()))
    if free is None:
        return None
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / GB
    usable = max(0.0, free + held - needed / GB)
    limit = SHARE_OF_FREE * usable if limit_gb is None else limit_gb
    # What is set is obeyed as far as the disk allows; what is not set leaves the rest to others.
    reserve = needed / GB if limit_gb is not None else free + held - limit
    return CacheRoom(folder=folder, limit=int(limit * GB), reserve=int(reserve * GB))
