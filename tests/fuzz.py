"""Damaged files for everything that reads what a person or a competition hands in.

    python tests/fuzz.py [--seconds 60] [--seed 0] [--only picture table ...] [--save training_results/fuzz] [--csv PATH]

Small whole files of every kind are mutated: bits turned, bytes cut out, doubled or overwritten with telling ones, files
cut short or spliced with each other, words of the format put into them. A reader may take what comes out or refuse it with
the error that it promises (`UserError`, for pictures `PictureError`); anything else is a bug, and so is an input that takes
longer than `MOST_SECONDS` or more memory than `MOST_MEMORY`. Bugs are printed and kept below `--save`; should the
process itself die, the file `current` in there is what killed it. Ends with 1 where there was a bug.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "03_modeling"))

import pandas as pd

from fuzz_readers import Reader, make_readers
from grandmaster.errors import UserError
from grandmaster.images.decode import PictureError
from grandmaster.storage import write_csv

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS = 5.0
MOST_MEMORY = 2_500  # MB above what the process had: a picture of the largest size takes 0.5 GB, twice while it is turned
BATCH_SECONDS = 0.3
SHOWN = 300


@dataclass(kw_only=True)
class Tally:
    """What one reader did."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    bugs: int = 0
    slowest_seconds: float = 0.0
    most_mb: int = 0
    seen: set[str] = field(default_factory=set)


def mutated(whole: Sequence[bytes], words: Sequence[bytes], random_: random.Random) -> bytes:
    """One to six changes of one of these files."""
    data = bytearray(random_.choice(whole))
    for _ in range(random_.choice((1, 1, 1, 2, 3, 6))):
        place = random_.randrange(len(data) + 1)
        if random_.random() < 0.4:
            place = min(place, random_.randrange(64))  # headers decide most
        length = min(random_.choice((1, 2, 4, 8, 64)), len(data) - place)
        match random_.randrange(8):
            case 0 if place < len(data):
                data[place] ^= 1 << random_.randrange(8)
            case 1:
                data[place : place + length] = random_.randbytes(length)
            case 2:
                del data[place : place + length]
            case 3:
                data[place:place] = data[place : place + length] * random_.choice((1, 2, 50))
            case 4:
                number = random_.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
                size = 1 if number < 256 else 2 if number < 65536 else 4
                data[place : place + size] = number.to_bytes(size, random_.choice(("little", "big")))
            case 5:
                del data[place:]
            case 6:
                other = random_.choice(whole)
                data[place:] = other[random_.randrange(len(other) + 1) :]
            case _:
                data[place : place + random_.choice((0, length))] = random_.choice(words)
    return bytes(data)


def peak_mb() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def try_one(reader: Reader, data: bytes, tally: Tally) -> str | None:
    """Have a reader read it; what is wrong with what it did, or None."""
    before, began = peak_mb(), time.perf_counter()
    wrong = None
    tally.inputs += 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(data)
        tally.accepted += 1
    except (UserError, PictureError) as error:
        tally.refused += 1
        if "\n" in str(error) and len(str(error).splitlines()) > 1 and not reader.may_have_lines:
            wrong = f"an error of several lines: {str(error)!r}"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        wrong = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {error}"
    seconds, grown = time.perf_counter() - began, peak_mb() - before
    tally.slowest_seconds = max(tally.slowest_seconds, seconds)
    tally.most_mb = max(tally.most_mb, grown)
    if seconds > MOST_SECONDS:
        wrong = wrong or f"took {seconds:.1f} s"
    if grown > MOST_MEMORY:
        wrong = wrong or f"took {grown} MB"
    return wrong


def inputs_of(reader: Reader, seed: int) -> Iterator[bytes]:
    """The whole files, then mutations without end; the same for the same seed."""
    random_ = random.Random(f"{reader.name} {seed}")
    yield from reader.whole
    while True:
        yield mutated(reader.whole, reader.words, random_)


def fuzz(
    readers: Sequence[Reader], *, seed: int, save: Path, seconds: float | None = None, each: int | None = None
) -> dict[str, Tally]:
    """Feed all readers in turn, for a time or with so many inputs each; findings are printed and saved."""
    tallies = {reader.name: Tally() for reader in readers}
    streams = {reader.name: inputs_of(reader, seed) for reader in readers}
    end = time.monotonic() + (seconds if seconds is not None else 1e9)
    while time.monotonic() < end and any(each is None or tally.inputs < each for tally in tallies.values()):
        for reader in readers:
            tally, until = tallies[reader.name], time.monotonic() + BATCH_SECONDS
            while time.monotonic() < until and (each is None or tally.inputs < each):
                data = next(streams[reader.name])
                (save / "current").write_bytes(data)
                wrong = try_one(reader, data, tally)
                if wrong is not None:
                    tally.bugs += 1
                    _tell(reader, data, wrong, tally, save)
    (save / "current").unlink(missing_ok=True)
    return tallies


def _tell(reader: Reader, data: bytes, wrong: str, tally: Tally, save: Path) -> None:
    """Print and keep it, once for each kind of exception and place."""
    kind = wrong.split(": ")[0]
    if kind in tally.seen:
        return
    tally.seen.add(kind)
    path = save / f"{reader.name}_{len(tally.seen)}"
    path.write_bytes(data)
    shown = repr(data[:SHOWN]) + (f" and {len(data) - SHOWN} bytes more" if len(data) > SHOWN else "")
    print(f"BUG {reader.name}: {wrong[:SHOWN]}\n    {shown}\n    kept as {path}", flush=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="names of readers")
    parser.add_argument("--save", type=Path, default=ROOT / "training_results" / "fuzz")
    parser.add_argument("--csv", type=Path, help="where the figures go")
    args = parser.parse_args()
    faulthandler.enable()
    args.save.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        readers = [
            reader for reader in make_readers(Path(place)) if args.only is None or reader.name in args.only
        ]
        tallies = fuzz(readers, seed=args.seed, save=args.save, seconds=args.seconds)
    columns = ("inputs", "accepted", "refused", "bugs", "slowest_seconds", "most_mb")
    table = pd.DataFrame(
        [
            {"reader": name} | {column: getattr(tally, column) for column in columns}
            for name, tally in tallies.items()
        ]
    ).round({"slowest_seconds": 3})
    print(table.to_string(index=False))
    if args.csv is not None:
        write_csv(args.csv, table)
    return int(table["bugs"].sum() > 0)


if __name__ == "__main__":
    sys.exit(main())
