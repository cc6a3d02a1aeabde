"""Files that guests fetch for their scripts, by curl, wget and netcat; and where secrets must not be seen."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from tests.guests.access.access import DOWNLOAD, Access
from tests.guests.access.stand_in_guest import StandInGuest
from tests.guests.web_server import Answer, WebServer, serving

pytestmark = pytest.mark.real
CANARY = "canary-9f3c"


def test_files_are_fetched_whole_and_can_be_run(fetching: Access, web: WebServer) -> None:
    data = os.urandom(70_000) + b"\r\n\0\r\n"
    web.answers["/a/data.bin?sig=1"] = Answer(200, data)
    web.answers["/run%20me.sh"] = Answer(200, b"#!/bin/sh\r\necho from file\r\n")
    uris = (web.url("/a/data.bin?sig=1"), web.url("/run%20me.sh"))
    result = fetching.run(fetching.request("'./run me.sh'", file_uris=uris))
    assert (result.exit_code, result.stdout_tail, result.message) == (0, "from file\n", "")
    folder = fetching.guest.file(f"{DOWNLOAD}/web/{fetching.sequence}")
    assert (folder / "data.bin").read_bytes() == data
    assert {file.name for file in folder.iterdir()} == {"data.bin", "run me.sh", "stdout", "stderr"}


def test_an_empty_file_is_fetched(fetching: Access, web: WebServer) -> None:
    web.answers["/empty"] = Answer(200, b"")
    result = fetching.run(fetching.request("wc -c <empty", file_uris=(web.url("/empty"),)))
    assert (result.exit_code, result.stdout_tail.strip()) == (0, "0")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_an_answer_that_may_pass_is_tried_again(fetching: Access, web: WebServer, status: int) -> None:
    web.answers["/file"] = lambda earlier: Answer(200, b"now") if earlier == 2 else Answer(status)
    result = fetching.run(fetching.request("cat file", file_uris=(web.url("/file"),)))
    assert (result.stdout_tail, web.times_asked("/file")) == ("now", 3)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_answer_that_will_not_change_fails_at_once_and_nothing_is_run(
    fetching: Access, web: WebServer, status: int
) -> None:
    command, runs = fetching.counting()
    web.answers["/good"] = Answer(200, b"")
    web.answers["/bad"] = Answer(status)
    request = fetching.request(command, file_uris=(web.url("/good"), web.url("/bad")))
    result = fetching.run(request)
    assert (result.exit_code, result.message) == (None, f"File 2 of 2 could not be fetched: HTTP {status}.")
    assert (runs(), web.times_asked("/bad")) == (0, 1)
    assert fetching.run(request).message == result.message  # recorded, not tried anew


def test_a_dead_server_is_tried_seven_times(fetching: Access) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        result = fetching.run(fetching.request("true", file_uris=(uri,)))
    assert result.exit_code is None
    assert re.search(r"the network failed \(\w+( \d+)?\), 7 times", result.message)


def test_a_file_over_https_needs_a_certificate_that_can_be_trusted(fetching: Access, tmp_path: Path) -> None:
    with serving(tmp_path) as web:
        web.answers["/file"] = Answer(200, b"")
        result = fetching.run(fetching.request("true", file_uris=(web.url("/file"),)))
        assert result.exit_code is None
        assert re.search(r"curl ended with \d+|wget ended with 5|neither curl nor GNU wget", result.message)
        assert web.times_asked("/file") == 0


def _traces_of_canary(guest: StandInGuest) -> list[str]:
    """Arguments, environments and named files in which the canary sings."""
    found = [f"argument: {line}" for line in guest.process_files("cmdline") if CANARY in line]
    found += [f"environment: {line}" for line in guest.process_files("environ") if CANARY in line]
    in_memory = [Path("/dev/shm"), Path(f"/proc/{guest.processes()[0]}/root/run")]
    for place in [*(guest.root / name for name in ("var", "tmp", "root", "etc")), *in_memory]:
        for file in place.rglob("*"):
            if file.is_file() and CANARY.encode() in file.read_bytes():
                found.append(str(file))
    return found


def test_a_secret_command_is_in_no_argument_environment_or_file(access: Access) -> None:
    go = access.guest.file(f"tmp/go-{access.sequence + 1}")
    begun = access.guest.file(f"tmp/begun-{access.sequence + 1}")
    wait = f"until [ -e /tmp/{go.name} ]; do sleep 0.1; done"
    request = access.request(f"secret={CANARY}; touch /tmp/{begun.name}; {wait}; sleep 8765 & echo ${{#secret}}")
    task = access.begin(access.guests.run_script(access.guest.address, request))
    access.until(begun.exists)
    during = _traces_of_canary(access.guest)
    go.touch()
    assert access.wait(task).stdout_tail == f"{len(CANARY)}\n"
    assert during == []
    assert _traces_of_canary(access.guest) == []
    assert CANARY not in repr(request)


def test_a_secret_uri_is_in_no_argument_environment_or_file(fetching: Access, web: WebServer) -> None:
    path = f"/slow/file?sig={CANARY}"
    web.answers[path] = Answer(200, b"content")
    request = fetching.request("cat file", file_uris=(web.url(path),))
    task = fetching.begin(fetching.guests.run_script(fetching.guest.address, request))
    fetching.until(lambda: web.times_asked(path) == 1)
    during = _traces_of_canary(fetching.guest)
    web.release.set()
    assert fetching.wait(task).stdout_tail == "content"
    assert during == []
    assert _traces_of_canary(fetching.guest) == []
