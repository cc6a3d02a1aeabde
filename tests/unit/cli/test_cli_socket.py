from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, ThreadingTCPServer, ThreadingUnixStreamServer

import pytest

from orchestrator.cli.client import Client
from orchestrator.cli.endpoint import Endpoint, find_endpoint
from orchestrator.cli.faults import DaemonUnreachable


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps({"path": self.path, "body": body}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture(params=["unix", "tcp"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Endpoint]:
    if request.param == "unix":
        path = str(tmp_path / "vmssd.sock")
        with serving(ThreadingUnixStreamServer(path, Echo)):
            yield find_endpoint(path, None, {})
    else:
        server = ThreadingTCPServer(("127.0.0.1", 0), Echo)
        with serving(server):
            yield find_endpoint(None, f"http://127.0.0.1:{server.server_address[1]}", {})


def test_a_real_socket_is_spoken_to_whatever_proxy_the_environment_names(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    client = Client(endpoint)
    answer = client.send("PUT", "/a%2Fb", body={"x": "ö"}, query={"q": "1 2"}).body
    client.close()
    assert answer == {"path": "/a%2Fb?api-version=2024-11-01&q=1+2", "body": {"x": "ö"}}


def test_a_socket_that_is_not_there_is_said_by_its_path(tmp_path: Path) -> None:
    client = Client(find_endpoint(str(tmp_path / "no.sock"), None, {}))
    with pytest.raises(DaemonUnreachable, match=r"no\.sock"):
        client.get("/x")
    client.close()
