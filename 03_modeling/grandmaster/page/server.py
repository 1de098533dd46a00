"""The page's server: its routes, who may use them, and its start."""

from __future__ import annotations

import socket
from collections.abc import Collection
from pathlib import Path

import psutil
from nicegui import app, run, ui
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from grandmaster.page import shell
from grandmaster.page.application import Application
from grandmaster.page.guard import LOOPBACK, Guard
from grandmaster.page.places import (
    EXPLORATION,
    REPORT,
    comparison_called,
    file_of_run,
    runs_in,
    submissions_of,
)

# A report is a page of its own, in which nothing may run, and which asks for nothing.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


def serve(application: Application, *, host: str, port: int) -> None:
    """Serve the page until the process is ended."""
    app.add_middleware(Guard, hosts=hosts_for(host))
    _add_routes(application)

    @ui.page("/")
    def index(request: Request) -> None:
        shell.build(application, request)

    run.process_pool_start_method = "spawn"  # forking a process of many threads is not safe
    ui.run(
        host=host,
        port=port,
        title="Grandmaster",
        favicon="🏆",
        reload=False,
        show=False,
        show_welcome_message=False,
        tailwind=True,
    )


def hosts_for(host: str) -> Collection[str]:
    """Under which names the page may be asked for: of this machine, and those of `host` where it is more."""
    if host in LOOPBACK:
        return LOOPBACK
    if host not in ("0.0.0.0", "::"):
        return (*LOOPBACK, host)
    own = {address.address for card in psutil.net_if_addrs().values() for address in card}
    return (*LOOPBACK, socket.gethostname(), socket.getfqdn(), *own)


def _add_routes(application: Application) -> None:
    """Files of runs: the two pages that a run writes, its submission files, and comparisons; each looked up in a list."""

    @app.get("/report/{name}")
    def report(name: str) -> Response:
        return page_of(application.results, name, REPORT)

    @app.get("/exploration/{name}")
    def exploration(name: str) -> Response:
        return page_of(application.results, name, EXPLORATION)

    @app.get("/comparison/{file}")
    def comparison(file: str) -> Response:
        return _page(comparison_called(application.results, file))

    # Where a comparison links to, as seen from the folder that it lies in.
    @app.get("/{name}/report.html")
    def report_beside(name: str) -> Response:
        return page_of(application.results, name, REPORT)

    @app.get("/submission/{name}/{file}")
    def submission(name: str, file: str) -> Response:
        return submission_of(application.results, name, file)


def page_of(results: Path, run: str, file: str) -> Response:
    """A page that a run wrote; 404 where there is none."""
    return _page(file_of_run(results, run, file))


def _page(path: Path | None) -> Response:
    if path is None:
        return PlainTextResponse("There is no such page.", status_code=404)
    return FileResponse(path, media_type="text/html", headers=_HEADERS)


def submission_of(results: Path, run: str, file: str) -> Response:
    """A submission file of a run, to be saved; 404 where there is none."""
    folder = runs_in(results).get(run)
    known = {path.name for path in submissions_of(folder)} if folder is not None else set()
    path = file_of_run(results, run, file) if file in known else None
    if path is None:
        return PlainTextResponse("There is no such file.", status_code=404)
    return FileResponse(path, media_type="text/csv", filename=path.name, headers=_HEADERS)
