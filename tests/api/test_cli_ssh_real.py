"""``vmss ssh`` with real OpenSSH on both ends, on loopback: the pinned host key is what decides."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

pytestmark = pytest.mark.real

SUBSCRIPTION = "00000000-0000-0000-0000-00000000a001"
_READY_WITHIN_S = 20.0
_COMMAND = [sys.executable, "-c", "import sys; from orchestrator.cli.main import run; sys.exit(run())"]


def make_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


class FakeApi(BaseHTTPRequestHandler):
    """Answers the two questions that ``vmss ssh`` asks. ``answer`` is put there by the test."""

    answer: dict[str, Any]

    def do_GET(self) -> None:
        status = {"subscriptionId": SUBSCRIPTION, "location": "local"}
        body = json.dumps(status if "/status" in self.path else self.answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Guest:
    """An sshd on loopback in the guest's place, with its host key and one user key."""

    def __init__(self, folder: Path) -> None:
        self.host_key = make_key(folder / "host_key")
        make_key(folder / "user_key")
        self.user_key = folder / "user_key"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        config = folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {folder}/host_key\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {folder}/user_key.pub\nPasswordAuthentication no\nUsePAM no\n"
        )
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self._listens():
            assert self.process.poll() is None, "sshd ended"
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(_READY_WITHIN_S)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    made = Guest(tmp_path_factory.mktemp("guest"))
    yield made
    made.stop()


@pytest.fixture
def api(guest: Guest, tmp_path: Path) -> Iterator[Path]:
    FakeApi.answer = {
        "address": "127.0.0.1",
        "port": guest.port,
        "users": [getpass.getuser()],
        "hostKey": guest.host_key,
        "networkNamespace": None,
    }
    path = tmp_path / "vmssd.sock"
    with ThreadingUnixStreamServer(str(path), FakeApi) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def ssh(api: Path, guest: Guest, *command: str) -> subprocess.CompletedProcess[str]:
    words = [*_COMMAND, "ssh", "web", "0", "-i", str(guest.user_key), "--socket", str(api), "--", *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)


def test_a_command_runs_in_the_guest_and_its_output_and_exit_code_come_back(api: Path, guest: Guest) -> None:
    result = ssh(api, guest, "echo", "hello;", "exit", "7")
    assert (result.returncode, result.stdout) == (7, "hello\n"), result.stderr


def test_a_guest_that_shows_another_host_key_is_never_logged_in_to(api: Path, guest: Guest, tmp_path: Path) -> None:
    FakeApi.answer["hostKey"] = make_key(tmp_path / "other")
    result = ssh(api, guest, "echo", "hello")
    assert (result.returncode, result.stdout) == (255, "")
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in result.stderr


def test_the_users_own_known_hosts_are_left_alone(api: Path, guest: Guest) -> None:
    own = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".ssh" / "known_hosts"  # ssh asks passwd, not $HOME

    def content() -> bytes | None:
        return own.read_bytes() if own.exists() else None

    before = content()
    assert ssh(api, guest, "true").returncode == 0
    assert content() == before
