"""The page answers this machine's own browser, and nobody else."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from grandmaster.page.guard import Guard, host_of

OURS = "http://127.0.0.1:8080"


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"]), WebSocketRoute("/ws", talk)])
    app.add_middleware(Guard, most=1000)
    return TestClient(app, base_url=OURS)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "LOCALHOST:9", "[::1]:8080"])
def test_its_own_names_are_answered(client: TestClient, host: str) -> None:
    found = client.get("/", headers={"host": host})
    assert (found.status_code, found.headers["x-frame-options"]) == (200, "DENY")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8080", "", "127.0.0.1@evil.example", "[::1"],
)
def test_a_name_that_only_points_here_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 403


def test_another_sites_requests_are_refused(client: TestClient) -> None:
    assert client.post("/", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.post("/", headers={"origin": "http://127.0.0.1:9999"}).status_code == 403
    assert client.post("/", headers={"origin": "null"}).status_code == 403
    assert client.post("/", headers={"origin": OURS, "host": "127.0.0.1:8080"}).status_code == 200


def test_another_sites_sockets_are_refused(client: TestClient) -> None:
    own = {"host": "127.0.0.1:8080", "origin": OURS}
    with client.websocket_connect("/ws", headers=own) as socket:
        assert socket.receive_text() == "hello"
    for headers in (own | {"origin": "https://evil.example"}, own | {"host": "evil.example"}):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws", headers=headers):
            pass


def test_a_body_that_is_too_large_is_refused_whatever_it_says_of_its_size(client: TestClient) -> None:
    assert client.post("/", content=b"x" * 1000).text == "1000 bytes"
    assert client.post("/", content=b"x" * 1001).status_code == 413
    assert client.post("/", content=b"x", headers={"content-length": "-5"}).status_code == 413

    def pieces():
        yield from [b"x" * 600] * 2

    with pytest.raises(Exception, match=r"^$"):  # starlette's ClientDisconnect: what was sent is let go of
        client.post("/", content=pieces())


def test_what_is_no_host_is_empty() -> None:
    assert [host_of(text) for text in ("a:1", "[::1]:2", "[", "A.")] == ["a", "::1", "", "a"]
