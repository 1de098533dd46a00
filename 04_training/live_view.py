"""Shows a run: one live display on a terminal, plain lines elsewhere; both keep `train.log`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from eta import Eta, TaskState
from grandmaster.progress import Level
from messages import text
from utils import RunLog, duration, is_interactive

# Seconds between two lines of one task where lines are all there is.
LINE_EVERY = 10.0

_SIGNS: dict[Level, tuple[str, str]] = {
    "info": ("·", "dim"),
    "good": ("✓", "green"),
    "warn": ("▲", "yellow"),
    "error": ("✗", "bold red"),
}


def format_facts(facts: dict[str, str | int | float]) -> str:
    """`epoch 3/8  loss 0.412`; floats with four significant digits."""
    shown = {
        name.replace("_", " "): f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in facts.items()
    }
    return "  ".join(f"{name} {value}" for name, value in shown.items())


class RunView:
    """The book-keeping that both views share: times, facts, log lines. Safe to call from several threads.

    Implements `grandmaster.progress.Progress`; used as a context manager around the run.
    """

    def __init__(
        self, log: RunLog, *, clock: Callable[[], float] = time.monotonic, ends: float | None = None
    ) -> None:
        """`ends`: the time limit, on the clock; None: there is none."""
        self.eta = Eta(clock)
        self._ends = ends
        self.facts: dict[str, dict[str, str | int | float]] = {}
        self._clock = clock
        self._log = log
        self._lock = threading.RLock()
        self._last_line: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def expect(self, tasks: dict[str, float]) -> None:
        with self._lock:
            self.eta.expect(tasks)

    # What is said is shown after the lock is free: the live view holds its own lock while it asks for the panel, which
    # takes this one, and showing a line takes the two the other way round.

    def start(self, task: str, total: int) -> None:
        with self._lock:
            self.eta.start(task, total)
            self.facts[task] = {}
            self._last_line[task] = self._clock()
        self._line(f"{task}: started", level="info", transient=True)

    def advance(self, task: str, units: int = 1, **facts: str | int | float) -> None:
        line = None
        with self._lock:
            self.eta.advance(task, units)
            self.facts.setdefault(task, {}).update(facts)
            now = self._clock()
            if now - self._last_line.get(task, 0.0) >= LINE_EVERY:
                self._last_line[task] = now
                line = self._standing(self.eta.tasks[task])
        if line is not None:
            self._line(line, level="info", transient=True)

    def finish(self, task: str, note: str = "") -> None:
        with self._lock:
            self.eta.finish(task)
            seconds = self.eta.tasks[task].seconds(self._clock())
        end = f" ({duration(seconds)})" if seconds >= 1 else ""
        self._line(f"{task}: {note or 'done'}{end}", level="good")

    def message(self, text: str, level: Level = "info") -> None:
        self._line(text, level=level)

    def to_limit(self) -> str:
        """Time left to the limit, in words; "" without one."""
        if self._ends is None:
            return ""
        return f"{duration(max(0.0, self._ends - self._clock()))} {text('live.limit')}"

    def _standing(self, task: TaskState) -> str:
        """One line about a running task and the run: percentage, facts, ETA."""
        parts = [f"{task.name}: {task.share:4.0%}"]
        facts = format_facts(self.facts.get(task.name, {}))
        if facts:
            parts.append(facts)
        left = self.eta.task_remaining(task)
        if left is not None:
            parts.append(f"{duration(left)} left")
        whole = self.eta.remaining()
        if whole is not None:
            parts.append(f"whole run {self.eta.share():.0%}, ETA {duration(whole)}")
        if self._ends is not None:
            parts.append(self.to_limit())
        return "  ".join(parts)

    def _line(self, text: str, *, level: Level, transient: bool = False) -> None:
        """Log a line and show it. `transient` ones say what a live display shows anyway."""
        self._log.write(f"{_SIGNS[level][0]} {text}")
        self._show(text, level, transient)

    def _show(self, text: str, level: Level, transient: bool) -> None:
        raise NotImplementedError


class PlainView(RunView):
    """Timestamped lines: where something starts, ends or is said, and every 10 seconds of a task."""

    def __init__(
        self,
        console: Console,
        log: RunLog,
        *,
        clock: Callable[[], float] = time.monotonic,
        ends: float | None = None,
    ) -> None:
        super().__init__(log, clock=clock, ends=ends)
        self._console = console

    def _show(self, text: str, level: Level, transient: bool) -> None:
        sign, style = _SIGNS[level]
        line = Text.assemble((time.strftime("%H:%M:%S "), "dim"), (sign, style), " ", text)
        self._console.print(line, soft_wrap=True)


class LiveView(RunView):
    """One panel at the bottom of the terminal: the running tasks and the whole run; lines scroll above it."""

    def __init__(
        self,
        console: Console,
        log: RunLog,
        *,
        title: str,
        clock: Callable[[], float] = time.monotonic,
        ends: float | None = None,
    ) -> None:
        super().__init__(log, clock=clock, ends=ends)
        self._console = console
        self._title = title
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            console=console, get_renderable=self.render, refresh_per_second=5, transient=True, screen=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _show(self, text: str, level: Level, transient: bool) -> None:
        if not transient:
            sign, style = _SIGNS[level]
            self._console.print(Text.assemble((sign, style), " ", text))

    def render(self) -> RenderableType:
        """The panel as it stands now."""
        with self._lock:
            running = self.eta.running()
            rows: list[RenderableType] = [self._task_row(task) for task in running]
            if not running:
                rows.append(Text(text("live.preparing"), style="dim"))
            rows.append(self._run_row())
            return Panel(
                Group(*rows),
                title=Text(self._title, style="bold cyan"),
                title_align="left",
                subtitle=Text(
                    " · ".join(
                        part
                        for part in (
                            f"{text('live.elapsed')} {duration(self.eta.elapsed())}",
                            self.to_limit(),
                        )
                        if part
                    ),
                    style="dim",
                ),
                subtitle_align="right",
                box=ROUNDED,
                border_style="cyan",
                padding=(0, 1),
                # Room for the "^C" that a terminal echoes: a wrapped line would leave the panel's top behind.
                width=max(20, self._console.width - 2),
            )

    def _task_row(self, task: TaskState) -> RenderableType:
        left = self.eta.task_remaining(task)
        row = self._bar_row(
            Text(task.name, style="bold"), task.share, left, pulse=task.done == 0, lead=self._spinner
        )
        facts = format_facts(self.facts.get(task.name, {}))
        units = f"{task.done:,}/{task.total:,}" if task.total else ""
        detail = Text("  " + "  ".join(part for part in (units, facts) if part), style="dim")
        return Group(row, detail)

    def _run_row(self) -> RenderableType:
        counts = text("live.tasks", done=self.eta.finished(), all=len(self.eta.tasks))
        label = Text.assemble((text("live.run"), "bold"), (f"  {counts}", "dim"))
        left = self.eta.remaining() if self.eta.tasks else None
        return self._bar_row(label, self.eta.share(), left, pulse=False, lead=Text("Σ", style="cyan"))

    @staticmethod
    def _bar_row(
        label: Text, share: float, left: float | None, *, pulse: bool, lead: RenderableType
    ) -> Table:
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=1)
        row.add_column(ratio=5, no_wrap=True, overflow="ellipsis")
        row.add_column(ratio=4)
        row.add_column(width=4, justify="right")
        row.add_column(width=13, justify="right", no_wrap=True)
        bar = ProgressBar(total=1.0, completed=share, pulse=pulse, complete_style="cyan")
        remaining = "" if left is None else f"{duration(left)} {text('live.left')}"
        row.add_row(lead, label, bar, Text(f"{share:.0%}"), Text(remaining, style="green"))
        return row


def make_view(
    console: Console, log: RunLog, *, title: str, plain: bool, ends: float | None = None
) -> RunView:
    """The live view where a person sits at a terminal, else plain lines; `ends`: the time limit, by `time.monotonic`."""
    if plain or not console.is_terminal or console.is_jupyter or not is_interactive():
        return PlainView(console, log, ends=ends)
    return LiveView(console, log, title=title, ends=ends)
