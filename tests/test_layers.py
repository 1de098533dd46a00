"""Which way imports point, held with `ast`: 04_training -> pipeline -> ... -> config."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "03_modeling" / "grandmaster"

# A part may import those of lower levels only; parts of one level do not know each other.
LEVELS = {
    "errors": 0,
    "language": 0,
    "teaching_config": 0,
    "machine_config": 0,
    "orphans": 0,
    "storage": 1,
    "texts": 0,
    "progress": 1,
    "stopwatch": 1,
    "config": 1,
    "settings": 2,
    "competition": 2,
    "images": 3,
    "models": 3,
    "eda": 4,
    "training": 4,
    "prediction": 4,
    "report": 4,
    "pipeline": 5,
    "page": 6,
}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(path: Path, part: str, application: set[str]) -> list[str]:
    found = []
    for name in imports(path):
        words = name.split(".")
        if words[0] in application:
            found.append(f"{path.name} imports {name} of 04_training")
        if words[0] != "grandmaster" or len(words) < 2 or words[1] == part or words[1] not in LEVELS:
            continue
        if LEVELS[words[1]] >= LEVELS[part]:
            found.append(f"{path.name} imports {name}")
    return found


def application_modules() -> set[str]:
    return {path.stem for path in (ROOT / "04_training").glob("*.py")} - {
        "config"
    }  # `config` also names ours


def test_every_part_has_a_level():
    parts = {part_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert parts == set(LEVELS)


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_point_down(path):
    part = part_of(path)
    if part != "__init__":
        assert violations(path, part, application_modules()) == []


def test_the_check_finds_what_it_should(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text(
        "def f():\n    from grandmaster.pipeline import run\n    import live_view\nfrom grandmaster.models import weights\n"
    )
    found = violations(bad, "images", {"live_view"})
    assert [line.split(" imports ")[1] for line in found] == [
        "grandmaster.models",
        "grandmaster.models.weights",
        "grandmaster.pipeline",
        "grandmaster.pipeline.run",
        "live_view of 04_training",
    ]
