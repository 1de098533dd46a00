"""What the pages say is there: links, files, commands, flags, settings, and the errors of the questions page."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest

from grandmaster.config import Config

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *ROOT.glob("README*.md"),
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("0*/README.md"),
        ROOT / "notebooks" / "README.md",
    ]
)
FAQ = ROOT / "docs" / "faq.md"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands(page: Path) -> list[list[str]]:
    """Every command that starts one of the programs, as words; comments and Jupyter's `!` are taken off."""
    found = []
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        match = re.search(r"\bpython (?:\S*/)?(04_training|benchmarks|docs)/(\S+\.py)([^`|]*)", line)
        if match:
            words = shlex.split(match[3].split(" #")[0].replace("<", "").replace(">", ""), comments=False)
            found.append([f"{match[1]}/{match[2]}", *words])
    return found


@cache
def flags_of(program: str) -> frozenset[str]:
    said = subprocess.run(
        [sys.executable, ROOT / program, "--help"], capture_output=True, text=True, timeout=120, check=True
    )
    return frozenset(re.findall(r"--[a-z_]+", said.stdout))


@cache
def source() -> str:
    """All of the product's code, strings that are written over several lines joined."""
    texts = [
        path.read_text(encoding="utf-8")
        for folder in ("03_modeling", "04_training")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))


def is_setting(name: str) -> bool:
    section, _, field = name.partition(".")
    kinds = {field.name: field.type for field in msgspec.structs.fields(Config)}
    return section in kinds and field in {one.name for one in msgspec.structs.fields(kinds[section])}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_are_there(page: Path) -> None:
    named = re.findall(
        r"\b((?:tests|benchmarks|04_training|03_modeling|docs|notebooks)/[\w/.]+\.\w+)",
        page.read_text("utf-8"),
    )
    assert sorted({path for path in named if not (ROOT / path).exists()}) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_can_be_given(page: Path) -> None:
    for program, *words in commands(page):
        assert (ROOT / program).is_file(), f"{program} of {page.name}"
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0] in flags_of(program), f"{word} of {program} in {page.name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_that_are_named_exist(page: Path) -> None:
    names = re.findall(r"--set ([a-z_]+\.[a-z_]+)=", page.read_text(encoding="utf-8"))
    assert [name for name in names if name != "section.field" and not is_setting(name)] == []


def test_errors_of_the_questions_are_those_of_the_product() -> None:
    quoted = re.findall(
        r"`([^`]+)`", "\n".join(re.findall(r"^\*\*(`.+?)\*\*", FAQ.read_text("utf-8"), re.MULTILINE))
    )
    assert len(quoted) >= 10
    pieces = [piece.strip(" .:") for text in quoted for piece in text.split("...")]
    assert [piece for piece in pieces if piece and piece not in source()] == []


def test_a_wrong_page_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "wrong.md"
    page.write_text("`python 04_training/models.py --gude x`\n")
    assert commands(page) == [["04_training/models.py", "--gude", "x"]]
    assert "--gude" not in flags_of("04_training/models.py")
    assert "--guide" in flags_of("04_training/models.py")
    assert not is_setting("training.epoch")
    assert is_setting("training.epochs")
