"""Any text of a person: settings, `competition.yaml`, plans, fixes of labels, paths. A value or one clear error."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from competition.making import documents, pictures, put, read
from grandmaster.competition.description import described
from grandmaster.competition.files import PictureIndex
from grandmaster.competition.label_fixes import with_label_fixes
from grandmaster.config import Config, DataConfig
from grandmaster.errors import UserError
from grandmaster.pipeline.ledger import COLUMNS, correlations, read_ledger
from grandmaster.pipeline.plan import read_plan
from grandmaster.pipeline.run import run_pipeline
from grandmaster.progress import SilentProgress
from grandmaster.settings import convert, fields, with_settings
from grandmaster.storage import read_json, read_jsonl
from pipeline.small_competition import request, write_competition

ANY = st.text(st.characters(), max_size=20)  # halves of surrogate pairs too: arguments that are no UTF-8
TELLING = st.sampled_from(
    ("", "none", "nan", "inf", "-1", "1e999", "²", "１２", "1_0", "9" * 5000, "true", "[", "[" * 5000, '{"a":', "\udc80", "a\0b", "..", "~x", "a" * 300)
)  # fmt: skip
PATHS = tuple(info.path for info in fields())


@pytest.mark.fault(42, "any text as --set")
@given(path=st.sampled_from(PATHS), value=st.one_of(ANY, TELLING))
@example(path="prediction.tta_views", value="²")
@example(path="data.extra_images", value="[" * 100_000)
@example(path="data.extra_images", value="\udc80")
@example(path="data.train", value="\udc80")
def test_a_setting_is_taken_or_refused(path: str, value: str) -> None:
    try:
        found = with_settings(Config(), [f"{path}={value}"])
    except UserError:
        return
    assert convert(_plain(found), where="again") == found


def _plain(config: Config) -> Any:
    return msgspec.json.decode(msgspec.json.encode(config))


@given(text=st.one_of(ANY, TELLING))
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        with_settings(Config(), [text])


KEYS = st.sampled_from(
    (*(info.path.removeprefix("data.") for info in fields() if info.path.startswith("data.")), "x", "<<")
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    TELLING,
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3), max_leaves=5)  # fmt: skip
LAUGHS = "images: [&a [x, x, x, x, x, x, x, x, x], " + ", ".join(
    f"&{'bcdefghij'[place]} [{', '.join(['*' + 'abcdefghi'[place]] * 9)}]" for place in range(9)
)


@pytest.mark.fault(42, "any competition.yaml")
@given(text=st.one_of(st.binary(max_size=40), st.dictionaries(KEYS, VALUES, max_size=3).map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))))  # fmt: skip
@example(text=f"{LAUGHS}]\n".encode())
@example(text=b"images: " + b"[" * 3000)
@example(text=b"{" * 3000)
@example(text=b"images: &a [*a]")
@example(text=b'train: "a\\0b"')
@example(text=b'train: "\\ud800"')
@example(text=b"train: " + b"a" * 300)
@example(text=b'kind: !!python/object/apply:os.system ["exit 1"]')
@example(text=b"? {a: b}\n: c\n")
@example(text=b"top_k: " + b"9" * 5000)
def test_a_description_is_taken_or_refused(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = documents(Path(place))
        (root / "competition.yaml").write_bytes(text)
        told = _told_of(root)
    assert told is None or (len(told) < 3000 and "\n" not in told)


def _told_of(root: Path) -> str | None:
    """What was wrong, or None: it was read."""
    try:
        config, _ = described(root, DataConfig())
        assert convert({"data": _plain(Config(data=config))["data"]}, where="again").data == config
        read(root)
    except UserError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return read(documents(tmp_path_factory.mktemp("documents")))


@pytest.mark.fault(42, "any bytes as JSON and as a plan")
@given(
    data=st.one_of(st.binary(max_size=30), TELLING.map(lambda text: text.encode("utf-8", "surrogatepass")))
)
@example(data=b"[" * 200_000)
@example(data=b'{"made_for":' * 5000)
@example(data=b'{"made_for": "\\ud800"}')
def test_a_plan_is_refused_and_json_read_or_refused(competition: Any, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "plan.json"
        path.write_bytes(data)
        with pytest.raises(UserError):
            read_plan(path, competition)
        for reads in (read_json, read_jsonl):
            try:
                reads(path)
            except UserError:
                continue


def test_a_folder_in_place_of_a_file_is_told(competition: Any, tmp_path: Path) -> None:
    for reads in (read_json, read_jsonl, lambda path: read_plan(path, competition), read_ledger):
        with pytest.raises(UserError):
            reads(tmp_path)


@pytest.mark.parametrize("given_path", ["~nobody_of_this_name/x.csv", "a" * 300, "a\0b", ".."])
def test_a_path_of_fixes_that_names_no_file(competition: Any, given_path: str) -> None:
    with pytest.raises(UserError, match=r"data\.label_fixes"):
        with_label_fixes(competition, given_path)


LEDGER_CELL = st.sampled_from(("", "0.5", "-1", "inf", "-inf", "nan", "1e308", "1e999", "x", "0.7", "0.9"))


@given(rows=st.lists(st.tuples(LEDGER_CELL, LEDGER_CELL), max_size=6))
@example(rows=[("0.5", "0.4"), ("inf", "0.5"), ("0.7", "0.6"), ("0.8", "0.1")])
def test_a_ledger_that_a_person_wrote_into(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "LEADERBOARD.csv"
        known = {"competition": "c", "metric": "macro_f1"}
        cells = [
            known | {"experiment": f"r{row}", "cv": cv, "public": public}
            for row, (cv, public) in enumerate(rows)
        ]
        lines = [",".join(one.get(column, "") for column in COLUMNS) for one in cells]
        path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
        table = read_ledger(path)
        assert len(table) == len(rows)
        assert not any("nan" in line for line in correlations(table))


def test_a_ledger_row_with_too_many_cells_does_not_shift_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "LEADERBOARD.csv"
    path.write_text("experiment,competition,metric\nrun,squares,macro_f1,0.5\n")
    with pytest.raises(UserError, match="line 2 has 4 cells"):
        read_ledger(path)


PARTS = st.sampled_from(
    ("..", ".", "/", "\\", "C:", "C:\\", "//host/share", "~", "%2e%2e", "．．", "․․", "..\u200b", "a", "x.jpg", "link", "folder", "\0", "/etc", "secret")
)  # fmt: skip


@pytest.mark.fault(9, "paths of telling parts in any order")
@given(parts=st.lists(PARTS, min_size=1, max_size=5), joint=st.sampled_from(("/", "\\", "", "//")))
def test_no_id_leaves_the_folder(parts: list[str], joint: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        outer = Path(place).resolve()
        pictures(outer, ["x.jpg", "secret/x.jpg", "data/a/x.jpg", "data/y.jpg"])
        root = outer / "data"
        (root / "link.jpg").symlink_to(outer / "secret" / "x.jpg")
        (root / "folder").symlink_to(outer / "secret")
        try:
            found = PictureIndex.of(root).match([joint.join(parts)], split="test", where=root)
        except UserError:
            return
        assert all(Path(path).resolve().is_relative_to(root) for path in found)


@pytest.mark.fault(9, "tables that are links out of the folder, or named so")
@pytest.mark.parametrize("name", ["train.csv", "sample_submission.csv", "meta.csv", "competition.yaml"])
def test_no_table_leaves_the_folder(tmp_path: Path, name: str) -> None:
    root = documents(tmp_path / "data")
    put(root, competition_yaml="layout: L1\n")
    (root / name).rename(tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=f"this link leads out of the data folder.*{re.escape(name)}"):
        read(root)


@pytest.mark.fault(9, "a table named by a path out of the folder")
@pytest.mark.parametrize(
    "name",
    [
        "../train.csv",
        "/etc/passwd",
        "C:\\train.csv",
        "..\\train.csv",
        "%2e%2e/train.csv",
        "．．/train.csv",
        "a" * 300,
    ],
)
def test_no_setting_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    documents(tmp_path)
    root = documents(tmp_path / "data")
    with pytest.raises(UserError, match="there is no file"):
        read(root, train=name)


@pytest.mark.fault(42, "a run's own settings, overwritten")
@pytest.mark.parametrize("text", ["[]", "null", '"x"', "{", "[" * 5000])
def test_a_run_whose_settings_are_damaged_is_refused(tmp_path: Path, text: str) -> None:
    data = write_competition(tmp_path / "squares", train=6, test=3)
    (tmp_path / "run").mkdir()
    put(tmp_path / "run", plan_json="{}", config_json=text)
    with pytest.raises(UserError, match=r"config\.json"):
        run_pipeline(request(data, tmp_path / "run"), SilentProgress())
