# PYTHON_ARGCOMPLETE_OK
"""Predicts an attached competition's test set with a bundle (see `kaggle_bundle.py`), within a time limit. Needs no network."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import data_loader
from grandmaster.errors import UserError
from grandmaster.progress import Level, SilentProgress
from grandmaster.texts import counted
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags
from time_limit import process_start

if TYPE_CHECKING:
    from grandmaster.pipeline.inferring import Inferred

REPORT = "inference.json"


class Lines(SilentProgress):
    """What is said, and every model that is done, on a line."""

    def message(self, text: str, level: Level = "info") -> None:
        print(f"{level}: {text}", flush=True)

    def finish(self, task: str, note: str = "") -> None:
        print(f"{task}: done, {note}" if note else f"{task}: done", flush=True)


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="kaggle_infer.py",
        description="Writes submission.csv for the test set of a competition with the models of a bundle. There is a valid "
        "file from the first minute on; where time runs short there are fewer views, then fewer models. Exit code 0: "
        "predicted; 2: bad input, or no model could predict.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--bundle", metavar="FOLDER", help="folder with bundle.json (default: the one that this code lies in)"
    )
    add("--data", metavar="FOLDER", help="the competition's folder (default: searched below Kaggle's input)")
    add("--out", metavar="FILE", default="submission.csv", help="default: submission.csv")
    add("--minutes", metavar="N", type=float, help="the command has ended by then (default: no limit)")
    add("--workers", metavar="N", type=int, help="picture-loading processes (default: as many as help)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Predict; return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        infer(options.bundle, options.data, options.out, minutes=options.minutes, workers=options.workers)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return DONE


def infer(
    bundle: str | None, data: str | None, out: str, *, minutes: float | None, workers: int | None
) -> Inferred:
    """Predict, say what came of it, and write `inference.json` beside the submission.

    Raises:
        UserError: as `inferring.infer`, or a folder was not found.
    """
    # Files first: importing torch takes seconds, a wrong path none.
    bundle_folder = find_bundle(bundle)
    data_folder = find_data(data, bundle_folder)
    if minutes is not None and not minutes > 0:
        raise UserError(f"{minutes:g} is no time", where="--minutes", fix="For example --minutes 500")
    target = Path(out).expanduser().resolve()
    from grandmaster.config import Config
    from grandmaster.pipeline.clock import Clock
    from grandmaster.pipeline.inferring import InferenceRequest
    from grandmaster.pipeline.inferring import infer as predict
    from grandmaster.settings import with_settings
    from grandmaster.storage import write_json

    settings = [] if workers is None else [f"hardware.workers={workers}"]
    started = time.monotonic() if __name__ != "__main__" else process_start()
    request = InferenceRequest(
        bundle=bundle_folder,
        data=data_folder,
        out=target,
        clock=Clock(limit=None if minutes is None else 60 * minutes, started=started),
        config=with_settings(Config(), settings),
    )
    print(f"bundle: {bundle_folder}\ndata:   {data_folder}")
    found = predict(request, Lines())
    peak = _peak_gb()
    write_json(target.with_name(REPORT), {**vars(found), "peak_gb": round(peak, 2)})
    print("\n".join(told(found)))
    print(f"{target}: {counted(found.rows, 'row')}, {found.seconds:.0f} s, peak memory {peak:.1f} GB")
    return found


def _peak_gb() -> float:
    """Most memory that this process ever had, GB."""
    import resource  # Windows has none, and Kaggle is none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def told(found: Inferred) -> list[str]:
    """What a person should know of it."""
    lines = [
        f"{counted(len(found.members), 'model')} predicted {found.pictures - found.prior} of {counted(found.pictures, 'picture')}"
    ]
    lines += [f"note: {line}" for line in found.gave_up]
    lines += [f"submission: {line}" for line in found.warnings]
    if found.prior:
        lines.append(
            f"note: {counted(found.prior, 'picture', 'is', 'are')} missing, broken or had no time: they got the average answer"
        )
    return lines


def find_bundle(given: str | None) -> Path:
    """The folder with `bundle.json`: given, else that of the code at work.

    Raises:
        UserError: there is none.
    """
    if given is not None:
        folder = data_loader.resolve(given)
        if not (folder / "bundle.json").is_file():
            raise UserError(
                f"no bundle.json in {given}", where="--bundle", fix="Give a folder made by kaggle_bundle.py"
            )
        return folder
    own = Path(__file__).resolve().parents[2]
    if not (own / "bundle.json").is_file():
        raise UserError(
            "no bundle.json beside this code", where="--bundle", fix="Give a folder made by kaggle_bundle.py"
        )
    return own


def find_data(given: str | None, bundle: Path) -> Path:
    """The competition's folder: given, else the one below Kaggle's input that is no part of the bundle.

    Raises:
        UserError: as `data_loader`'s.
    """
    found = [folder for folder in data_loader.find_competitions(given) if not folder.is_relative_to(bundle)]
    if not found:
        raise UserError("no competition found", where="--data", fix="Attach it, or give --data")
    return data_loader.one_competition(found)


if __name__ == "__main__":
    sys.exit(main())
