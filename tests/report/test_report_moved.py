"""The page shows how far each layer of a model moved, as the mean over its folds."""

from __future__ import annotations

from pathlib import Path

import pytest

from grandmaster.competition.table import Competition
from grandmaster.models.weight_change import FILE_NAME, LayerChange, WeightChange
from grandmaster.report.html import write_report
from grandmaster.report.moved import moved_layers
from grandmaster.storage import write_json
from report.page import Page
from report.run_builder import BACKBONES


def changed(relative: float | None, largest: float) -> WeightChange:
    def layer(name: str, share: float | None) -> LayerChange:
        return LayerChange(
            layer=name,
            parameters=1200,
            before=1.0,
            difference=0.1,
            relative=share,
            largest=largest,
            rate=1e-5,
        )

    return WeightChange(layers=(layer("<i>stem", relative), layer("head", None)), total=layer("all", 0.5))


def write(run: Path) -> list[Path]:
    fits = [run / f"fold_{fold}" / BACKBONES[0] for fold in range(2)]
    for fit, change in zip(fits, (changed(0.0002, 0.1), changed(0.0004, 0.3)), strict=True):
        write_json(fit / FILE_NAME, change)
    return fits


def test_means_over_folds(whole_run: Path) -> None:
    stem, head, every = moved_layers(write(whole_run))
    assert (stem.relative, stem.largest, stem.rate) == (pytest.approx(0.0003), 0.3, 1e-5)
    assert head.relative is None
    assert every.relative == 0.5


def test_a_fit_of_other_layers_has_no_say(whole_run: Path) -> None:
    fits = write(whole_run)
    write_json(fits[1] / FILE_NAME, WeightChange(layers=(), total=changed(9.0, 9.0).total))
    assert [line.relative for line in moved_layers(fits)] == [0.0002, None, 0.5]
    assert moved_layers([whole_run]) == ()


def test_the_page_shows_them_of_the_models_that_tell(whole_run: Path, competition: Competition) -> None:
    write(whole_run)
    html = write_report(whole_run, competition).read_text(encoding="utf-8")
    text = Page(html).text("training")
    assert "<i>stem 1,200 1e-05 0.03 % 0.3" in text
    assert "head 1,200 1e-05 –" in text
    assert text.count("How far each layer moved") == 1
