"""Whatever ids and dialects people write: verbatim from the sample to the submission, or one clear error."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from competition.making import JPEG, pictures, read
from grandmaster.competition.csv_files import DELIMITERS, read_table
from grandmaster.competition.files import PICTURE_SUFFIXES, PictureIndex
from grandmaster.competition.predictions import Predictions
from grandmaster.competition.submission import build_submission, gate, write_submission
from grandmaster.errors import UserError

TEXT = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
ODD = (
    "001",
    "NA",
    "nan",
    "1e5",
    "1.0",
    "=1+1",
    "@x",
    "+x",
    "-",
    "'",
    'q"q',
    "a,b",
    "c;d",
    "e\tf",
    "a\nb",
    "a\rb",
    "a\r\nb",
)
MORE_ODD = (
    " a ",
    "한글",
    "é",
    "e\u0301",
    "[/red]",
    "<b>",
    "%2e%2e",
    "x" * 200,
    "\u202eabc",
    "#",
    "Unnamed: 0",
    "\ufeffx",
)


def can_be_a_file(name: str) -> bool:
    """Not hidden, no folder, no drive, short enough, and not empty to a reader."""
    return (
        bool(name.strip())
        and not name.startswith(".")
        and not PureWindowsPath(name).drive
        and len(name.encode()) < 240
        and Path(name).suffix.lower() not in PICTURE_SUFFIXES
    )


IDS = st.one_of(
    st.sampled_from((*ODD, *MORE_ODD)),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0/\\"), min_size=1, max_size=12),
).filter(can_be_a_file)


def written(rows: list[list[str]], *, delimiter: str, quoting: int, end: str, encoding: str) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows(rows)
    return buffer.getvalue().encode(encoding)


DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(DELIMITERS),
        "quoting": st.just(csv.QUOTE_ALL),
        "end": st.sampled_from(("\n", "\r\n")),
        "encoding": st.sampled_from(("utf-8", "utf-8-sig", "utf-16")),
    }
)
PLAIN = {"delimiter": ",", "quoting": csv.QUOTE_ALL, "end": "\n", "encoding": "utf-8"}


@pytest.mark.fault(8, "any texts as ids, from the files to the submission")
@pytest.mark.fault(12, "predictions in any order")
@pytest.mark.fault(13, "ids that begin with =, @, + and -")
@given(
    ids=st.lists(IDS, min_size=6, max_size=9, unique_by=str.casefold),
    dialect=DIALECTS,
    seed=st.integers(0, 99),
)
@example(ids=list(ODD), dialect=PLAIN, seed=0)
@example(ids=list(MORE_ODD), dialect=PLAIN, seed=0)
def test_ids_come_out_verbatim_and_in_the_samples_order(ids: list[str], dialect: dict, seed: int) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "data"
        root.mkdir()
        train, test = ids[:4], ids[4:]
        pictures(root / "train", [f"{name}.jpg" for name in train])
        pictures(root / "test", [f"{name}.jpg" for name in test])
        labels = [["id", "label"], *([name, "ab"[row % 2]] for row, name in enumerate(train))]
        (root / "train.csv").write_bytes(written(labels, **dialect))
        (root / "sample_submission.csv").write_bytes(
            written([["id", "label"], *([name, "a"] for name in test)], **dialect)
        )
        competition = read(root, id_column="id")
        assert competition.train["id"].tolist() == sorted(train)
        assert competition.test["id"].tolist() == test
        order = np.random.default_rng(seed).permutation(len(test))
        made = Predictions(
            ids=tuple(test[place] for place in order),
            outputs=competition.outputs,
            values=np.stack([order % 2, 1 - order % 2], axis=1).astype(np.float32),
        )
        made.save(root / "test.npz")
        kept = Predictions.load(root / "test.npz")
        assert kept.ids == made.ids
        path = root / "submission.csv"
        assert write_submission(path, kept, competition).passed
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert rows == [["id", "label"], *([name, "ba"[place % 2]] for place, name in enumerate(test))]
        again = read_table(path).reset_index(drop=True)
        assert gate(again, competition).passed


@pytest.mark.fault(12, "predictions that lack an id, or have another")
@given(lost=st.integers(0, 2), stranger=IDS)
def test_gaps_and_strangers_are_refused(lost: int, stranger: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        pictures(root / "train", ["t0.jpg", "t1.jpg"])
        pictures(root / "test", ["s0.jpg", "s1.jpg", "s2.jpg"])
        (root / "train.csv").write_text("id,label\nt0,a\nt1,b\n")
        (root / "sample_submission.csv").write_text("id,label\ns2,a\ns0,a\ns1,a\n")
        competition = read(root)
    ids = ["s0", "s1", "s2"]
    del ids[lost]
    for names in (ids, [*ids, f"{stranger}!"], ["s0", "s1", "s2", f"{stranger}!"]):
        made = Predictions(
            ids=tuple(names), outputs=("a", "b"), values=np.full((len(names), 2), 0.5, np.float32)
        )
        with pytest.raises(UserError, match=r"test ids have no prediction|ids that the sample submission"):
            build_submission(competition, made)
    with pytest.raises(ValueError, match="predicted twice"):
        Predictions(ids=("s0", "s0"), outputs=("a", "b"), values=np.full((2, 2), 0.5, np.float32))


CELL = st.text(TEXT, max_size=8)
# As people write them without thinking of quotes: no character that has a meaning.
BARE = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='",;\t'), min_size=1, max_size=8
)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str]) -> list[list[str]]:
    width = draw(st.integers(2, 4))
    names = st.text(st.sampled_from("abcdé한 _1.="), min_size=1, max_size=6).filter(str.strip)
    header = draw(st.lists(names, min_size=width, max_size=width, unique=True))
    row = st.lists(cells, min_size=width, max_size=width)
    return [header, *draw(st.lists(row, min_size=1, max_size=5))]


@pytest.mark.fault(8, "cells of any text in nine dialects")
@given(rows=tables(CELL), dialect=DIALECTS)
def test_a_quoted_table_is_read_as_written_in_every_dialect(rows: list[list[str]], dialect: dict) -> None:  # type: ignore[type-arg]
    assert _read(written(rows, **dialect)) == rows


@given(rows=tables(BARE), dialect=DIALECTS)
def test_a_bare_table_too(rows: list[list[str]], dialect: dict) -> None:  # type: ignore[type-arg]
    assert _read(written(rows, **dialect | {"quoting": csv.QUOTE_MINIMAL})) == rows


def _read(data: bytes) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.csv"
        path.write_bytes(data)
        table = read_table(path)
    return [table.columns.tolist(), *table.to_numpy().tolist()]


@given(
    data=st.one_of(
        st.binary(max_size=60), st.text(st.sampled_from('ab,;\t"\r\n\0 é'), max_size=40).map(str.encode)
    )
)
@example(data="id,label\na,b\n".encode("utf-16-le"))
@example(data=b"a,b\n" + b"x" * 200_000 + b",1\n")
def test_any_bytes_are_a_table_or_one_error(data: bytes) -> None:
    try:
        rows = _read(data)
    except UserError:
        return
    assert len({len(row) for row in rows}) == 1
    assert not any("\0" in cell for row in rows for cell in row)


@pytest.mark.fault(8, "file names that are not UTF-8")
def test_names_that_no_table_can_hold_are_refused(tmp_path: Path) -> None:
    """A zip from Windows, unpacked on Linux: found late, they end a run where its first table is written."""
    folder = os.fsencode(tmp_path) + b"/train"
    os.mkdir(folder)  # noqa: PTH102 - bytes
    with open(folder + "/한글".encode("cp949") + b".jpg", "wb") as file:  # noqa: PTH123 - bytes
        file.write(JPEG)
    with pytest.raises(UserError, match=r"names of 1 files are not UTF-8.*convmv"):
        PictureIndex.of(tmp_path)
