from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from orchestrator.cli.client import Client
from orchestrator.cli.endpoint import find_endpoint
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


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "vmssd.sock"
    with ThreadingUnixStreamServer(str(path), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def test_a_real_unix_socket_is_spoken_to_whatever_proxy_the_environment_names(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    client = Client(find_endpoint(str(socket_path), None, {}))
    answer = client.send("PUT", "/a%2Fb", body={"x": "ö"}, query={"q": "1 2"}).body
    client.close()
    assert answer == {"path": "/a%2Fb?api-version=2024-11-01&q=1+2", "body": {"x": "ö"}}


def test_a_socket_that_is_not_there_is_said_by_its_path(tmp_path: Path) -> None:
    client = Client(find_endpoint(str(tmp_path / "no.sock"), None, {}))
    with pytest.raises(DaemonUnreachable, match=r"no\.sock"):
        client.get("/x")
    client.close()
