"""One model fine-tuned and trained from scratch, side by side: the values, the lines of every table, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pandas as pd

from grandmaster.competition.comparison import Comparison, verdict_sentence
from grandmaster.competition.verdict import Note
from grandmaster.language import Language, Speaker
from grandmaster.report.figures import IntervalRow, interval_figure
from grandmaster.report.html import render_page
from grandmaster.report.texts import speaker
from grandmaster.report.values import MISSING, gigabytes, minutes, number, score, share
from grandmaster.storage import write_atomic, write_csv, write_json

STEM = "mode_comparison"


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A score with its bootstrap interval."""

    score: float
    low: float
    high: float
    level: float


class ModeFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two runs.

    Attributes:
        mode: "full_training" or "fine_tuning".
        weights: where it started from, without folders.
        clean, corrupted: out-of-fold scores of its blend; the latter None where test looks as train does.
        training_minutes: of all fits together, measured.
        run_minutes: of the whole run but for looking at the data, which is done once for both; measured.
        memory_gb: largest of its fits, measured: on a GPU the peak, on a CPU the process at the end of a fit.
        images_per_second: median over its fits.
        best_epochs, epochs: of every fold: the epoch that is kept, and how many were trained.
        planned_epochs: of a fold.
        learning_rate, layer_decay, rate_groups, batch, batch_norm: how it was trained.
        documented: what the registry's document says of this mode; empty: nothing.
        documented_source: which document that is.
    """

    mode: str
    weights: str
    licence: str
    clean: Spread
    corrupted: Spread | None
    training_minutes: float
    run_minutes: float
    memory_gb: float | None
    images_per_second: float | None
    best_epochs: tuple[int, ...]
    epochs: tuple[int, ...]
    planned_epochs: int
    learning_rate: float
    layer_decay: float
    rate_groups: tuple[str, ...]
    batch: int
    batch_norm: str
    documented: str
    documented_source: str


class MovedInBoth(msgspec.Struct, frozen=True, kw_only=True):
    """Relative change of one layer's weights in both runs (means over folds), and the peak rates that it had."""

    layer: str
    parameters: int
    full_training: float | None
    fine_tuning: float | None
    rate_full_training: float | None
    rate_fine_tuning: float | None


class ModesCompared(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `mode_comparison.json`.

    Attributes:
        folds_trained, folds_total: the same in both.
        rows: that both have out-of-fold predictions of.
        machine: processor, or GPU.
        full_training, fine_tuning: the two runs.
        gain: of fine-tuning over training from scratch, on clean validation pictures.
        gain_corrupted: the same, on pictures corrupted as the test set is; None: there are none.
        sentence: the verdict, in English.
        notes: what has to be said beside.
        layers: the last is of all layers; empty where a run does not tell.
        command: that makes this again.
    """

    competition: str
    backbone: str
    timm_name: str
    input_size: int
    million_parameters: float
    metric_title: str
    higher_is_better: bool
    folds_trained: int
    folds_total: int
    rows: int
    seed: int
    machine: str
    full_training: ModeFacts
    fine_tuning: ModeFacts
    gain: Comparison
    gain_corrupted: Comparison | None
    sentence: str
    notes: tuple[Note, ...]
    layers: tuple[MovedInBoth, ...]
    command: str

    @property
    def runs(self) -> tuple[ModeFacts, ModeFacts]:
        """From scratch, then fine-tuned."""
        return self.full_training, self.fine_tuning

    def verdict(self, say: Speaker) -> str:
        """The verdict as a sentence."""
        return verdict_sentence(
            self.gain, self.gain_corrupted, self.full_training.mode, self.fine_tuning.mode, say
        )


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table for people: a name, and what it is from scratch and fine-tuned."""

    name: str
    full_training: str
    fine_tuning: str
    documented: bool = False


def table_lines(compared: ModesCompared, say: Speaker) -> tuple[Line, ...]:
    """What is shown of both runs, in the terminal and on the page."""

    def line(name: str, texts: Sequence[str], *, documented: bool = False) -> Line:
        return Line(name=name, full_training=texts[0], fine_tuning=texts[1], documented=documented)

    runs = compared.runs
    lines = [line(compared.metric_title, [_spread(run.clean, say) for run in runs])]
    if any(run.corrupted for run in runs):
        lines.append(line(say("mode_line.corrupted"), [_spread(run.corrupted, say) for run in runs]))
    moved = compared.layers[-1] if compared.layers else None
    lines += [
        line(say("mode_line.training"), [minutes(run.training_minutes) for run in runs]),
        line(say("mode_line.run"), [minutes(run.run_minutes) for run in runs]),
        line(say("mode_line.memory"), [gigabytes(run.memory_gb) for run in runs]),
        line(say("mode_line.best_epoch"), [_epochs(run, say) for run in runs]),
        line(say("mode_line.speed"), [number(run.images_per_second) for run in runs]),
        line(say("mode_line.start"), [run.weights for run in runs]),
        line(say("mode_line.rate"), [_rate(run, say) for run in runs]),
        line(say("mode_line.batch"), [str(run.batch) for run in runs]),
        line(say("mode_line.moved"), [_moved(moved, run.mode) for run in runs]),
    ]
    if any(run.documented for run in runs):
        documented = [run.documented or MISSING for run in runs]
        lines.append(line(say("mode_line.documented"), documented, documented=True))
    return tuple(lines)


def csv_table(compared: ModesCompared) -> pd.DataFrame:
    """Columns `part`, `measure`, `full_training`, `fine_tuning`; plain numbers, empty where there is none."""
    rows: list[tuple[str, str, object, object]] = []

    def add(part: str, measure: str, *values: object) -> None:
        rows.append((part, measure, values[0], values[1]))

    for name in ("clean", "corrupted"):
        spreads = [run.clean if name == "clean" else run.corrupted for run in compared.runs]
        if all(spreads):
            for measure in ("score", "low", "high"):
                add(name, measure, *(getattr(spread, measure) for spread in spreads))
    for name, gain in (("clean", compared.gain), ("corrupted", compared.gain_corrupted)):
        if gain is not None:
            for measure in ("gain", "low", "high", "verdict"):
                add(name, f"gain_{measure}".replace("gain_gain", "gain"), None, getattr(gain, measure))
    for measure in ("training_minutes", "run_minutes", "memory_gb", "images_per_second", "planned_epochs"):
        add("cost", measure, *(getattr(run, measure) for run in compared.runs))
    for measure in ("best_epochs", "epochs"):
        add("cost", measure, *(" ".join(map(str, getattr(run, measure))) for run in compared.runs))
    for measure in ("weights", "learning_rate", "layer_decay", "batch", "batch_norm"):
        add("recipe", measure, *(getattr(run, measure) for run in compared.runs))
    for layer in compared.layers:
        add("relative weight change", layer.layer, layer.full_training, layer.fine_tuning)
    add("documented", "requirements", *(run.documented for run in compared.runs))
    for measure in ("competition", "backbone", "input_size", "folds_trained", "rows", "machine"):
        add("setting", measure, getattr(compared, measure), getattr(compared, measure))
    return pd.DataFrame(rows, columns=["part", "measure", "full_training", "fine_tuning"])


def write_comparison(folder: Path, compared: ModesCompared, language: Language = "en") -> Path:
    """Write `mode_comparison.json`, `.csv` and, last, `.html`.

    Args:
        language: that the page speaks.

    Returns:
        The page.
    """
    write_json(folder / f"{STEM}.json", compared)
    write_csv(folder / f"{STEM}.csv", csv_table(compared))
    page = folder / f"{STEM}.html"
    write_atomic(page, render_comparison(compared, speaker(language)))
    return page


def render_comparison(compared: ModesCompared, say: Speaker) -> str:
    """The page as text: one file that opens anywhere; the same values always give the same bytes."""
    deciding = compared.gain_corrupted or compared.gain
    spreads = [
        (run, (run.corrupted if compared.gain_corrupted else run.clean) or run.clean) for run in compared.runs
    ]
    figure = interval_figure(
        [
            IntervalRow(label=say(f"modes.{run.mode}"), value=spread.score, low=spread.low, high=spread.high)
            for run, spread in spreads
        ],
        baseline=None,
        baseline_name="",
        axis=compared.metric_title,
        about=say("modes.about"),
        say=say,
    )
    gains = [(say("modes.clean"), compared.gain)]
    if compared.gain_corrupted is not None:
        gains.append((say("modes.corrupted"), compared.gain_corrupted))
    return render_page(
        f"{STEM}.html.jinja",
        say,
        compared=compared,
        deciding=deciding,
        figure=figure,
        gains=gains,
        lines=table_lines(compared, say),
        sentence=compared.verdict(say),
    )


def _spread(spread: Spread | None, say: Speaker) -> str:
    if spread is None:
        return MISSING
    interval = say("shared.from_to", low=score(spread.low), high=score(spread.high))
    return f"{score(spread.score)} ({interval})"


def _epochs(run: ModeFacts, say: Speaker) -> str:
    """`9, 11 of 12`; where folds were stopped early, of how many each."""
    if len(set(run.epochs)) == 1:
        return say("mode_value.epochs", best=", ".join(map(str, run.best_epochs)), epochs=run.epochs[0])
    pairs = zip(run.best_epochs, run.epochs, strict=True)
    return ", ".join(say("mode_value.epochs", best=best, epochs=epochs) for best, epochs in pairs)


def _rate(run: ModeFacts, say: Speaker) -> str:
    rate = number(run.learning_rate)
    if run.rate_groups:
        return say.counted("mode_value.groups", len(run.rate_groups), rate=rate)
    if run.layer_decay < 1:
        return say("mode_value.layer_decay", rate=rate, decay=number(run.layer_decay))
    return rate


def _moved(moved: MovedInBoth | None, mode: str) -> str:
    return share(None if moved is None else getattr(moved, mode))
