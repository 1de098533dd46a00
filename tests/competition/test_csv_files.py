"""CSV cells come through exactly as written, whatever the dialect."""

from __future__ import annotations

from pathlib import Path

import pytest

from grandmaster.competition.csv_files import read_table
from grandmaster.errors import UserError

CELLS = [["id", "label"], ["001", "NA"], ["1e5", "None"], ["=1+1", "nan"], ["x y ", "true"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_dialects_keep_every_cell(tmp_path: Path, delimiter: str, end: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes((end.join(delimiter.join(row) for row in CELLS) + end).encode(encoding))
    table = read_table(path)
    assert [list(table.columns), *table.to_numpy().tolist()] == CELLS
    assert table.index.tolist() == [2, 3, 4, 5]


def test_single_column_and_missing_last_line_end(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image_id\n007\n\nNA")
    assert read_table(tmp_path / "a.csv")["image_id"].tolist() == ["007", "NA"]


def test_decimal_commas_do_not_decide_the_delimiter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;p\na;0,5\nb;0,25\n")
    assert read_table(tmp_path / "a.csv").to_numpy().tolist() == [["a", "0,5"], ["b", "0,25"]]


def test_commas_in_the_header_do_not_decide_the_delimiter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;size, px, wide\na;5\nb;7\n")
    assert list(read_table(tmp_path / "a.csv").columns) == ["id", "size, px, wide"]


def test_quoted_cells_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,label\n"a,b","say ""hi"""\nc,"two\nlines"\nd,e\n')
    table = read_table(tmp_path / "a.csv")
    assert table.to_numpy().tolist() == [["a,b", 'say "hi"'], ["c", "two\nlines"], ["d", "e"]]


@pytest.mark.parametrize(
    "text",
    [",id,label\n0,a,x\n1,b,y\n", "Unnamed: 0,id,label\n7,a,x\n3,b,y\n", "id,label,\na,x,\nb,y,\n"],
)
def test_unnamed_index_columns_are_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    table = read_table(tmp_path / "a.csv")
    assert [list(table.columns), *table.to_numpy().tolist()] == [["id", "label"], ["a", "x"], ["b", "y"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("id,label\n", "no rows"),
        ("id,label\na,x\nb,y,z\n", "line 3 has 3 cells, the header has 2"),
        ("id,label\na,x\nb\n", "line 3 has 1 cells"),
        ("id,id\na,x\n", "twice: 'id'"),
        (",id\nx,a\n", "column 1 has no name"),
        ("id,,label\na,0,x\nb,1,y\n", "column 2 has no name"),
        ("0,id,\n0,a,x\n", "column 3 has no name"),
        ('id,label\na,"x\nb,y\n', "not CSV"),
    ],
)
def test_broken_files_say_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=says) as caught:
        read_table(tmp_path / "a.csv")
    assert caught.value.where == str(tmp_path / "a.csv")


def test_other_encodings_are_refused_instead_of_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,label\na,고양이\n".encode("cp949"))
    with pytest.raises(UserError, match="UTF-8"):
        read_table(tmp_path / "a.csv")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_table(tmp_path / "a.csv")
