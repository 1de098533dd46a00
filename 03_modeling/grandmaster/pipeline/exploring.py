"""The stage that shows what was inspected, where nothing is to be trained."""

from __future__ import annotations

from grandmaster.language import language
from grandmaster.pipeline.context import RunContext


def explore(context: RunContext) -> None:
    """Write `eda.html`."""
    # Here because matplotlib and Jinja2 cost seconds that other commands need not pay.
    from grandmaster.report.explore import write_exploration

    context.progress.start("explore", 1)
    write_exploration(context.folder, context.competition, command=context.command, language=language())
    context.progress.finish("explore")
