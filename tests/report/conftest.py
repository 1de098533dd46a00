"""One competition and one finished run for all tests of the report; each test works on a copy of the run."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from grandmaster.competition.table import Competition
from grandmaster.report import figures, headline, html
from report.run_builder import make_competition, write_run

curves = functools.cache(figures.curves_figure)
intervals = functools.cache(figures.interval_figure)


@pytest.fixture(scope="session", autouse=True)
def drawn_once() -> Iterator[None]:
    """Drawing takes most of the time of these tests, and most of them draw the same figures: a figure is a pure
    function of its arguments, so each is drawn once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "curves_figure", curves)
        patch.setattr(html, "interval_figure", intervals)
        patch.setattr(headline, "interval_figure", intervals)
        yield


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Competition:
    """Five classes of twelve rendered pictures."""
    return make_competition(tmp_path_factory.mktemp("data") / "paper forms")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, competition: Competition) -> Path:
    """A run that went to its end; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    write_run(folder, competition)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy to change, without the folders of its fits: curves take the longest to draw."""
    return Path(shutil.copytree(finished, tmp_path / "shapes", ignore=shutil.ignore_patterns("fold_*")))


@pytest.fixture
def whole_run(finished: Path, tmp_path: Path) -> Path:
    """A copy to change, with everything."""
    return Path(shutil.copytree(finished, tmp_path / "shapes"))
