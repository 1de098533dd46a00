# PYTHON_ARGCOMPLETE_OK
"""The page: data, models, training, runs, predictions and submissions in a browser, on this machine alone."""

from __future__ import annotations

import argparse
import shlex
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import data_loader
import options
from config import MODES
from grandmaster.errors import UserError
from options import BAD_INPUT, DONE, Parser, one_line, parse_flags
from presets import PRESETS

if TYPE_CHECKING:
    from grandmaster.page.application import Application

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT = 8080


def make_parser() -> Parser:
    """Its flags."""
    parser = Parser(
        prog="dashboard.py",
        description="Serves a page for the browser of this machine: data, models, training, runs, predictions and "
        "submissions. Needs no network. Ctrl-C ends the page, not the trainings that it started. Exit code 0: ended; "
        "2: bad input.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", metavar="N", default=str(PORT), help=f"port to listen on (default: {PORT})")
    add(
        "--host",
        metavar="ADDRESS",
        default=LOOPBACK[0],
        help=f"address to listen on (default: {LOOPBACK[0]}, this machine alone; there is no password)",
    )
    add(
        "--data_path",
        metavar="FOLDER",
        action="append",
        default=[],
        help="a competition's folder, beside those in data/ (repeatable)",
    )
    add("--runs", metavar="FOLDER", help="where runs are kept (default: training_results/)")
    add("--weights_dir", metavar="FOLDER", help="folder of pretrained weights")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; return the exit code."""
    try:
        given = parse_flags(make_parser(), sys.argv[1:] if argv is None else argv)
        port = _port(given.port)
        application = make_application(given)
        _require_free(given.host, port)
        try:
            from grandmaster.page.server import serve
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != "nicegui":
                raise
            raise UserError("the page needs NiceGUI", fix="pip install nicegui") from error
        if given.host not in LOOPBACK:
            print(
                f"warning: --host {given.host} lets everyone who reaches this address start trainings and see your "
                "pictures; there is no password",
                file=sys.stderr,
            )
        place = f"[{given.host}]:{port}" if ":" in given.host else f"{given.host}:{port}"
        print(f"Open http://{place} in a browser. Ctrl-C ends the page, not a training.", flush=True)
        serve(application, host=given.host, port=port)
    except UserError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return DONE


def make_application(given: argparse.Namespace) -> Application:
    """What the page can do, from the commands beside this one.

    Raises:
        UserError: a folder that is none.
    """
    from accept_labels import fixes_file
    from grandmaster.page.application import Application, ModeText
    from grandmaster_train import FINISHED
    from run_training import stored_command

    here = Path(__file__).resolve().parent
    results = options.RESULTS_FOLDER if given.runs is None else data_loader.resolve(given.runs)
    if results.exists() and not results.is_dir():
        raise UserError(f"{data_loader.shown(results)} is a file", where="--runs", fix="Give a folder")
    weights = None if given.weights_dir is None else data_loader.resolve(given.weights_dir)
    if weights is not None and not weights.is_dir():
        raise UserError(f"no such folder: {given.weights_dir}", where="--weights_dir")

    def check(flags: Sequence[str]) -> None:
        options.read_settings(parse_flags(options.make_parser(), flags))

    def stored_flags(folder: Path) -> list[str]:
        flags = shlex.split(stored_command(folder))[2:]
        if "--output" in flags[:-1]:  # the run is here, wherever it was begun
            place = flags.index("--output")
            del flags[place : place + 2]
        return flags

    return Application(
        root=data_loader.ROOT,
        train=(sys.executable, str(here / "grandmaster_train.py")),
        plan=(sys.executable, str(here / "plan_json.py")),
        results=results,
        data=tuple(data_loader.find_competitions(folder)[0] for folder in given.data_path),
        find_competitions=lambda: data_loader.find_competitions(None),
        modes=tuple(
            ModeText(
                name=mode.name,
                title=mode.title,
                about=mode.about,
                trains=mode.name not in ("debug", "explore"),
            )
            for mode in MODES.values()
        ),
        presets={preset.name: preset.about for preset in PRESETS.values()},
        weights_dir=weights,
        check=check,
        stored_flags=stored_flags,
        fixes_file=fixes_file,
        experiment_name=data_loader.experiment_name,
        make_sample=data_loader.make_sample_competition,
        finished=FINISHED,
    )


def _require_free(host: str, port: int) -> None:
    """Before anything is loaded: an answer in no time."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            where="--port",
            fix="Give another one, for example --port 8090.",
        ) from error


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise UserError(f"{text!r} is no port", where="--port", fix="Give a number from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
