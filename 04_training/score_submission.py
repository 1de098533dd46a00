# PYTHON_ARGCOMPLETE_OK
"""Scores a submission against a solution file, which the training itself never reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import _source_roots  # noqa: F401 - grandmaster is found through it
from grandmaster.config import MetricName
from grandmaster.errors import UserError
from options import BAD_INPUT, DONE, Parser, choice, one_line, parse_flags


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="score_submission.py",
        description="Prints the score of a submission with its interval. Exit code 0: scored; 2: bad input.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--submission", metavar="FILE", required=True, help="the CSV that a run wrote")
    add("--solution", metavar="FILE", required=True, help="the CSV with the true labels of the test pictures")
    metrics = ", ".join(get_args(MetricName))
    add("--metric", metavar="METRIC", help=f"{metrics} (default: by the submission's form)")
    add("--title", metavar="TEXT", default="Private score", help="what the line begins with")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line with the score and return the exit code."""
    try:
        options = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        if options.metric is not None:
            choice("--metric", options.metric, get_args(MetricName))
        from rich.text import Text

        from grandmaster.competition.solution import score_solution
        from utils import make_console

        score = score_solution(Path(options.submission), Path(options.solution), metric=options.metric)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    interval = f"{score.level:.0%} interval {score.low:.4f} to {score.high:.4f}, {score.images:,} pictures"
    line = Text.assemble(
        f"{options.title}: {score.metric_title} ",
        (f"{score.value:.4f}", "bold green"),
        (f"  ({interval})", "dim"),
    )
    make_console().print(line, soft_wrap=True)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
