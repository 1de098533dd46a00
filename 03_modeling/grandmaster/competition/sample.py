"""A sample competition: a rendered look-alike of the document contest this system was first written for.

    python -m grandmaster.competition.sample --out data/sample --images 600

17 classes under the original's names and imbalance, a clean and upright train, a test corrupted the way the
contest did it, four classes that only their title tells apart, a few near-duplicates and wrong labels, and a
solution for a "private score". Layout L1. The same seed gives the same bytes, with any number of workers.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import cv2

from grandmaster.competition.sample_maker.plan import Picture, hidden_pictures, training_pictures
from grandmaster.competition.sample_maker.render import FOLDERS, write_pictures
from grandmaster.competition.sample_maker.words import CLASS_NAMES
from grandmaster.errors import UserError
from grandmaster.orphans import end_with_parent
from grandmaster.progress import Progress, SilentProgress
from grandmaster.texts import counted

TASK = "sample competition"
_CHUNK = 40  # pictures sent to a worker at a time
_WORTH_WORKERS = 400  # pictures; for fewer, starting processes takes longer than it saves
_README = """Sample competition
==================
A rendered look-alike of a document classification contest: 17 classes, {images} training and {test_images} test
pictures, made from seed {seed}. Metric: macro F1.

train/, test/           the pictures; train is clean and upright, test is corrupted
train.csv               ID, target (about 0.5 % of the labels are wrong, as in the original)
meta.csv                target, class_name
sample_submission.csv   ID, target: the form of a submission
solution.csv            ID, target of the test pictures. The pipeline NEVER reads this file: it is here so that
                        a finished submission can be scored as a contest's private board would score it.
                        Of a mixed picture it names the class that dominates.

Nothing here shows a real document, person or vehicle.
"""


def make_sample(
    folder: Path,
    *,
    images: int,
    test_images: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Make a sample competition in a folder that is new or empty.

    It is made beside the target and renamed when it is complete: there is never half a competition.

    Args:
        folder: where to; parents are made.
        images: training pictures, at least 17 (one of each class).
        test_images: test pictures, at least 1; open: twice as many as for training, as in the original.
        seed: 0 or more; decides every byte.
        workers: processes; open: all cores, or this process alone for a small competition.
        progress: who is told, under the task `TASK`, in pictures.

    Raises:
        UserError: the folder has something in it or cannot be written, or a number is out of range.
    """
    test_images = 2 * images if test_images is None else test_images
    if images < len(CLASS_NAMES):
        raise UserError(
            f"{images} training pictures are too few",
            where="images",
            fix=f"At least {len(CLASS_NAMES)}, one a class.",
        )
    if test_images < 1 or seed < 0:
        raise UserError("test images must be 1 or more and the seed 0 or more", where="test_images, seed")
    folder = folder.absolute()
    _refuse_existing(folder)
    progress = progress or SilentProgress()
    train, test = training_pictures(images, seed), hidden_pictures(test_images)
    pictures = [*train, *test]
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = workers if len(pictures) >= _WORTH_WORKERS else 1
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"
        ) as unfinished:
            made = Path(unfinished) / folder.name
            for name in FOLDERS:
                (made / name).mkdir(parents=True)
            progress.start(TASK, len(pictures))
            _write_all(pictures, seed, made, workers, progress)
            _write_tables(made, train, test, seed)
            _refuse_existing(folder)  # someone else may have filled it meanwhile
            if folder.exists():
                folder.rmdir()
            made.rename(folder)
    except OSError as error:
        raise UserError(
            f"the sample competition cannot be written: {error.strerror or error}",
            where=folder,
            fix="Free some space, or choose another folder.",
        ) from error
    progress.finish(TASK, f"{images} + {counted(test_images, 'picture')}")


def _refuse_existing(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise UserError(
            "there is something already", where=folder, fix="Delete it, or choose another folder."
        )


def _start_worker() -> None:
    end_with_parent()
    cv2.setNumThreads(1)  # the processes are the parallelism


def _write_all(pictures: list[Picture], seed: int, folder: Path, workers: int, progress: Progress) -> None:
    """Write all pictures, in this process or in several."""
    chunks = [pictures[start : start + _CHUNK] for start in range(0, len(pictures), _CHUNK)]
    if workers <= 1:
        for chunk in chunks:
            progress.advance(TASK, write_pictures(chunk, seed, folder))
        return
    # spawn: works on every system, and beside the threads that torch or OpenCV may have started.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        jobs = [pool.submit(write_pictures, chunk, seed, folder) for chunk in chunks]
        try:
            for job in as_completed(jobs):
                progress.advance(TASK, job.result())
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, do not render the rest


def _write_tables(folder: Path, train: list[Picture], test: list[Picture], seed: int) -> None:
    """The CSV files, rows in order of id, which says nothing about the class."""

    def table(name: str, header: str, rows: Sequence[tuple[str | int, str | int]]) -> None:
        lines = [header, *(f"{first},{second}" for first, second in rows)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")

    known = sorted((picture.file_name(seed), picture.label) for picture in train)
    hidden = sorted((picture.file_name(seed), picture.label) for picture in test)
    table("train.csv", "ID,target", known)
    table("meta.csv", "target,class_name", list(enumerate(CLASS_NAMES)))
    table("sample_submission.csv", "ID,target", [(name, 0) for name, _ in hidden])
    table("solution.csv", "ID,target", hidden)
    text = _README.format(images=len(train), test_images=len(test), seed=seed)
    (folder / "README.txt").write_text(text, encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code (2: what the user can mend)."""
    parser = argparse.ArgumentParser(
        prog="python -m grandmaster.competition.sample", description="Make a sample competition."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to make; must be new or empty")
    parser.add_argument(
        "--images", type=int, default=1570, help="training pictures (default: 1570, as the original)"
    )
    parser.add_argument(
        "--test_images", type=int, help="test pictures (default: twice the training pictures)"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides every byte (default: 0)")
    parser.add_argument("--workers", type=int, help="processes (default: all cores)")
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        make_sample(
            given.out,
            images=given.images,
            test_images=given.test_images,
            seed=given.seed,
            workers=given.workers,
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{given.out}: made in {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
