"""What the running environment lends to the page, which knows nothing of its command lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grandmaster.language import Language
from grandmaster.progress import Progress


@dataclass(frozen=True, kw_only=True)
class ModeText:
    """One mode of the command line.

    Attributes:
        title, about: language -> text.
        trains: whether it looks at data and trains; only then it has a plan.
    """

    name: str
    title: Mapping[Language, str]
    about: Mapping[Language, str]
    trains: bool


@dataclass(frozen=True, kw_only=True)
class Application:
    """The commands behind the page's buttons.

    Attributes:
        root: from where commands are started.
        train: words that start the training command line, without its flags.
        plan: words that start a command which takes the same flags and prints the plan as one line of JSON.
        results: the folder of run folders.
        data: competition folders that were named when the page was started.
        find_competitions: those that are found by themselves; raises `UserError` where there are none.
        modes: for the form, in order.
        presets: name -> what it is for.
        weights_dir: folder of pretrained weights; None: none was named.
        check: refuses flags that the command line would refuse, with a `UserError`.
        stored_flags: flags of the command that began a run.
        fixes_file: the file of label fixes that a run follows, or would follow.
        experiment_name: (competition's folder, mode) -> a run's default name.
        make_sample: renders the sample competition and returns its folder.
        finished: how the last line of a finished run's log ends.
    """

    root: Path
    train: tuple[str, ...]
    plan: tuple[str, ...]
    results: Path
    data: tuple[Path, ...]
    find_competitions: Callable[[], Sequence[Path]]
    modes: tuple[ModeText, ...]
    presets: Mapping[str, str]
    weights_dir: Path | None
    check: Callable[[Sequence[str]], None]
    stored_flags: Callable[[Path], list[str]]
    fixes_file: Callable[[Path], Path]
    experiment_name: Callable[[Path, str], str]
    make_sample: Callable[[Progress], Path]
    finished: str
