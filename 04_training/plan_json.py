"""The plan of a training as one line of JSON, for programs: the same flags as `grandmaster_train.py`. Writes nothing.

What is being done goes to standard error, in lines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import data_loader
import options
from grandmaster.errors import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Print the plan; return the exit code, as that of the command line."""
    try:
        settings = options.read_settings(
            options.parse_flags(options.make_parser(), sys.argv[1:] if argv is None else argv)
        )
        if settings.mode.name in ("debug", "explore"):
            raise UserError(f"--mode {settings.mode.name} trains nothing, so it has no plan", where="--mode")
        data = data_loader.one_competition(data_loader.find_competitions(settings.data_path))
        print(_plan(settings, data))
    except UserError as error:
        print(f"error: {options.one_line(error)}", file=sys.stderr)
        return options.BAD_INPUT
    return options.DONE


def _plan(settings: options.Settings, data: Path) -> str:
    from grandmaster.page.planning import described, encoded
    from grandmaster.pipeline.run import planned_work
    from grandmaster_train import make_request
    from live_view import PlainView
    from utils import RunLog, make_console

    experiment = settings.experiment or data_loader.experiment_name(data, settings.mode.name)
    request = make_request(settings, data, experiment, time.monotonic())
    with PlainView(make_console(sys.stderr), RunLog(None)) as view:
        return encoded(described(*planned_work(request, view)))


if __name__ == "__main__":
    sys.exit(main())
