"""What there is to see of a competition's data, from its files and from the newest run or exploration of it."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from grandmaster.competition.label_fixes import add_label_fixes, with_label_fixes
from grandmaster.competition.reader import read_competition
from grandmaster.competition.table import Competition
from grandmaster.config import DataConfig
from grandmaster.errors import UserError
from grandmaster.language import Language, Speaker
from grandmaster.page.application import Application
from grandmaster.page.places import find_run, runs_in
from grandmaster.page.run_state import LOG, data_of
from grandmaster.report.artefacts import RunArtefacts, Suspect, read_run
from grandmaster.report.data import DataSection, describe_data
from grandmaster.report.groups import Example, Group, show_groups, test_pictures, training_pictures
from grandmaster.report.lookalikes import lookalikes
from grandmaster.report.sentences import describe_shift
from grandmaster.report.shift import KindRow, Separation, kind_rows
from grandmaster.report.suspects import Suspects, describe_suspects
from grandmaster.report.texts import speaker
from grandmaster.storage import write_csv


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a run or an exploration measured.

    Attributes:
        name: of the run.
        sentences: how test differs from train.
        kinds: what was done to test pictures.
        told_apart: how well a classifier tells test from train; None: it was not tried.
        across: pictures of train that are in test, too.
    """

    name: str
    section: DataSection
    sentences: tuple[str, ...]
    kinds: tuple[KindRow, ...]
    told_apart: Separation | None
    like_test: tuple[Example, ...]
    across: tuple[Group, ...]


@dataclass(frozen=True, kw_only=True)
class DataView:
    """A competition.

    Attributes:
        classes: names with their numbers of training pictures; empty where numbers are to be estimated.
        measured: None: nobody has looked at the pictures yet.
        suspects: of the newest run that suspects labels, with its name; None: no run has come so far.
    """

    competition: Competition
    classes: tuple[tuple[str, int], ...]
    measured: Measured | None
    suspects: tuple[str, Suspects] | None


def view_data(application: Application, folder: Path, language: Language = "en") -> DataView:
    """Read a competition and what is known of its pictures.

    Args:
        language: of the words for it.

    Raises:
        UserError: the folder cannot be read as a competition, or an artefact is damaged.
    """
    competition, say = with_label_fixes(read_competition(folder, DataConfig()), None), speaker(language)
    of_it = [run for run in runs_in(application.results).values() if is_of(application, run, folder)]
    looked = next((run for run in of_it if (run / "fingerprint.json").is_file()), None)
    judged = next((run for run in of_it if (run / "label_suspects.csv").is_file()), None)
    suspects = None if judged is None else describe_suspects(read_run(judged), competition, say)
    return DataView(
        competition=competition,
        classes=_class_counts(competition),
        measured=None if looked is None else _measured(read_run(looked), competition, say),
        suspects=None if judged is None or suspects is None else (judged.name, suspects),
    )


def is_of(application: Application, run: Path, data: Path) -> bool:
    """Whether a run, or an exploration, is of this competition's folder."""
    known = data_of(run) or _explored(application, run)
    return known is not None and known.resolve() == data.resolve()


def _explored(application: Application, run: Path) -> Path | None:
    """The folder that an exploration's command names: it has no settings of its own, but its log begins with it."""
    log = run / LOG
    if not log.is_file():
        return None
    with log.open(encoding="utf-8", errors="replace") as file:
        first = file.readline(4000)
    try:
        words = shlex.split(first)
    except ValueError:
        return None
    if "--data_path" not in words[:-1]:
        return None
    return application.root / words[words.index("--data_path") + 1]


def _class_counts(competition: Competition) -> tuple[tuple[str, int], ...]:
    if competition.kind == "regression":
        return ()
    targets = competition.targets
    if competition.kind == "multilabel":
        counts = targets.sum(axis=0).astype(np.int64)
    else:
        counts = np.bincount(targets.reshape(-1).astype(np.int64), minlength=len(competition.classes))
    return tuple(zip(competition.class_names, counts.tolist(), strict=True))


def _measured(run: RunArtefacts, competition: Competition, say: Speaker) -> Measured:
    section = describe_data(run, competition, say)
    train, test = training_pictures(competition, say), test_pictures(competition)
    pairs = () if run.fingerprint is None else run.fingerprint.duplicates.across
    return Measured(
        name=run.folder.name,
        section=section,
        sentences=describe_shift(section.statistics, say),
        kinds=kind_rows(run.shift, say),
        told_apart=None if run.shift is None else run.shift.adversarial,
        like_test=lookalikes(run, train),
        across=show_groups(
            [(pair[0], train), *((picture_id, test) for picture_id in pair[1:])] for pair in pairs
        ),
    )


def is_certain(suspect: Suspect) -> bool:
    """Whether something is suggested; an empty suggestion with a probability is the empty set of labels."""
    return suspect.suggested != "" or suspect.p_suggested is not None


def accept_suspects(application: Application, run: str, ids: Collection[str]) -> tuple[int, Path]:
    """Add suggestions to the file of label fixes that the run follows; what it says of an id already stays.

    Returns:
        How many were added, and the file.

    Raises:
        UserError: no such run, nothing chosen, or the file is not one of fixes.
    """
    folder = find_run(application.results, run)
    known = read_run(folder).suspects or ()
    chosen = [suspect for suspect in known if suspect.id in ids and is_certain(suspect)]
    if not chosen:
        raise UserError("no suspect is ticked", fix="Tick those that you believe.")
    path = application.fixes_file(folder)
    rows = pd.DataFrame({"id": [one.id for one in chosen], "label": [one.suggested for one in chosen]})
    table, added = add_label_fixes(path, rows)
    if added:
        write_csv(path, table)
    return added, path
