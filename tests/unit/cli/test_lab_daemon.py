"""The lab's daemon is started, found, replaced and stopped; a small stand-in program plays it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from orchestrator.cli import lab_daemon
from orchestrator.cli.lab_daemon import LabDaemon, tail
from orchestrator.errors import LabError
from orchestrator.lab import Lab, record, shell
from orchestrator.lab.processes import LAB_MARK, marked
from orchestrator.lab.record import LabRecord

STAND_IN = """
import http.server, json, os, socketserver, sys

class Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": "7"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass

path = sys.argv[-1].removesuffix("vmssd.yaml") + "vmssd.sock"
if os.path.exists(path):
    os.unlink(path)
print("it begins", flush=True)
socketserver.ThreadingUnixStreamServer(path, Status).serve_forever()
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(shell.os, "geteuid", lambda: 0)
    made = Lab("unit", tmp_path)
    made.folder.mkdir()
    made.save(LabRecord("unit"))
    record.write_atomically(made.config_path, yaml.safe_dump({}))
    yield made
    for process, _ in marked(made.folder):
        process.kill()


@pytest.fixture
def said() -> list[str]:
    return []


def stand_in(lab: Lab, text: str, *words: str) -> LabDaemon:
    return LabDaemon(lab, (sys.executable, "-c", text, *words))


def test_a_daemon_is_started_and_answers_and_bears_its_labs_mark(lab: Lab, said: list[str]) -> None:
    daemon = stand_in(lab, STAND_IN)
    running = daemon.start(said.append)
    assert daemon.status() == {"version": "7"}
    assert running.environ()[LAB_MARK] == str(lab.folder), "so that taking the lab down finds it"
    assert running.cwd() == "/"
    assert os.getsid(running.pid) == running.pid, "it outlives the terminal"
    assert (daemon.log.stat().st_mode & 0o777, tail(daemon.log, 1)) == (0o600, ["it begins"])


def test_one_that_runs_is_used_again(lab: Lab, said: list[str]) -> None:
    daemon = stand_in(lab, STAND_IN)
    first = daemon.start(said.append)
    assert daemon.start(said.append) == first
    assert said[-1] == f"vmssd runs already: process {first.pid}"


def test_one_of_another_installation_is_replaced(lab: Lab, said: list[str]) -> None:
    first = stand_in(lab, STAND_IN).start(said.append)
    second = stand_in(lab, STAND_IN, "--newer").start(said.append)
    assert second.pid != first.pid
    assert not first.is_running() or first.status() == psutil.STATUS_ZOMBIE


def test_a_socket_that_a_killed_daemon_left_is_no_daemon(lab: Lab, said: list[str]) -> None:
    daemon = stand_in(lab, STAND_IN)
    first = daemon.start(said.append)
    first.kill()
    first.wait(10)
    assert daemon.socket.exists()
    assert (daemon.process(), daemon.status()) == (None, None)
    assert daemon.start(said.append).pid != first.pid


def test_stopping_ends_it_and_says_whether_there_was_one(lab: Lab, said: list[str]) -> None:
    daemon = stand_in(lab, STAND_IN)
    running = daemon.start(said.append)
    assert daemon.stop(said.append)
    assert not running.is_running() or running.status() == psutil.STATUS_ZOMBIE
    assert not daemon.stop(said.append)


def test_one_that_ends_at_once_is_quoted_from_its_log(lab: Lab, said: list[str]) -> None:
    daemon = stand_in(lab, "print('the key is missing', flush=True); raise SystemExit(3)")
    with pytest.raises(LabError, match=r"ended with code 3 at once; (?s:.*)the key is missing"):
        daemon.start(said.append)


def test_one_that_never_answers_is_ended(lab: Lab, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_daemon, "START_TIMEOUT_S", 0.5)
    daemon = stand_in(lab, "import time; print('still thinking', flush=True); time.sleep(100)")
    with pytest.raises(LabError, match=r"did not answer within 0\.5 s; (?s:.*)still thinking"):
        daemon.start(said.append)
    assert [process for process, _ in marked(lab.folder)] == []


def test_a_program_that_is_not_there_is_named(lab: Lab, said: list[str]) -> None:
    with pytest.raises(LabError, match="'/no/such/vmssd' cannot be started: No such file"):
        LabDaemon(lab, ("/no/such/vmssd",)).start(said.append)


def test_without_a_lab_there_is_no_daemon_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell.os, "geteuid", lambda: 0)
    with pytest.raises(LabError, match="there is no lab 'none'"):
        LabDaemon(Lab("none", tmp_path)).start(print)
