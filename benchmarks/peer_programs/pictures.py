"""What every program beside this is given, and how it answers; used in environments that know nothing of this project.

A program is started with one argument, a JSON object (`Task`), and prints one line of JSON that begins with `ANSWER`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

ANSWER = "answer: "


@dataclass(frozen=True)
class Task:
    """Train on `root/train/<class>/*`, validate on `root/valid/<class>/*`, predict `root/test/*`.

    Attributes:
        model: timm's name of the architecture; its weights are random, for speed does not depend on them.
        size: of the network's input, px.
        workers: picture-loading processes; the peer's own choice where it has one is taken by the program.
    """

    root: str
    model: str
    classes: int
    size: int
    batch: int
    epochs: int
    threads: int
    workers: int

    @staticmethod
    def read() -> Task:
        """That of this process."""
        return Task(**json.loads(sys.argv[1]))


@dataclass
class Answer:
    """What was measured, in seconds; None where the peer has no such thing.

    Attributes:
        version: of the library.
        imported: from the start of the process until it is imported.
        epochs: training pictures of each epoch divided by their seconds, loading and augmentation included, validation not.
        validated: as `epochs`, of training and validation together, where the peer does not tell them apart.
        predict: test pictures a second, as they are.
        whole: from the start of the process until the test pictures are predicted, as they are; of ours, until a checked
            submission is there, with all that is found out about the data before.
        tta: seconds of all views of the test pictures, of how many views, divided by those of one.
    """

    version: str = ""
    imported: float | None = None
    epochs: list[float] = field(default_factory=list)
    validated: list[float] = field(default_factory=list)
    predict: float | None = None
    whole: float | None = None
    tta: float | None = None
    views: int = 1

    def tell(self) -> None:
        """Print it."""
        print(ANSWER + json.dumps(asdict(self)), flush=True)


def since_start() -> float:
    """Seconds since this process began (Linux); 0 elsewhere."""
    try:
        ticks = float(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        up = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return 0.0
    return up - ticks / os.sysconf("SC_CLK_TCK")


class Timer:
    """Seconds of a block."""

    seconds = 0.0


@contextmanager
def timed() -> Iterator[Timer]:
    """Measure a block."""
    timer, started = Timer(), time.perf_counter()
    yield timer
    timer.seconds = time.perf_counter() - started
