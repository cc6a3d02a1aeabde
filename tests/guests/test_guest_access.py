"""Scripts and inside probes against real SSH servers: dropbear with busybox, OpenSSH with Debian's programs."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import os
import re
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import paramiko
import pytest

from orchestrator.errors import GuestError, GuestUnreachable, HostKeyMismatch
from orchestrator.guest import script as script_module
from orchestrator.guest.port import ScriptRequest, ScriptResult
from orchestrator.guest.seed import make_host_key
from orchestrator.guest.ssh import SshGuests
from orchestrator.model.health import Health, ProbeSettings
from tests.guests.stand_in_guest import Kind, StandInGuest
from tests.guests.web_server import Answer, WebServer, serving

pytestmark = pytest.mark.real

T = TypeVar("T")
CANARY = "canary-9f3c"
LOGIN_PRIVATE, LOGIN_PUBLIC = make_host_key()
DOWNLOAD = "var/lib/waagent/custom-script/download"


@dataclass
class Access:
    """A stand-in guest, the port to reach it, and one event loop for both."""

    guest: StandInGuest
    guests: SshGuests
    loop: asyncio.Runner
    sequence: int = -1

    def wait(self, work: Awaitable[T]) -> T:
        async def outcome() -> T:
            return await work

        return self.loop.run(outcome())

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.loop.get_loop().create_task(work)

    def request(self, command: str | None = None, **members: Any) -> ScriptRequest:
        """For a sequence number that was not used before."""
        self.sequence += 1
        return ScriptRequest("web", self.sequence, command=command, **{"timeout_s": 60.0, **members})

    def run(self, request: ScriptRequest) -> ScriptResult:
        return self.wait(self.guests.run_script(self.guest.address, request))

    def until(self, holds: Callable[[], bool]) -> None:
        async def poll() -> None:
            async with asyncio.timeout(20):
                while not holds():  # noqa: ASYNC110 - what is waited for happens in another process
                    await asyncio.sleep(0.02)

        self.wait(poll())

    def renew(self) -> None:
        """As after a new start of the daemon: nothing is kept."""
        self.wait(self.guests.close())
        self.guests = _guests(self.guest.port)


def _guests(port: int) -> SshGuests:
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(LOGIN_PRIVATE))
    return SshGuests(key, port=port, download_wait_s=0)


def _access(kind: Kind, folder: Path, hidden: tuple[str, ...] = ()) -> Iterator[Access]:
    guest = StandInGuest.make(kind, folder, LOGIN_PUBLIC, hidden)
    try:
        with asyncio.Runner() as loop:
            access = Access(guest, _guests(guest.port), loop)
            yield access
            access.wait(access.guests.close())
    finally:
        guest.stop()


@pytest.fixture(scope="module", params=["dropbear", "openssh"])
def access(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    yield from _access(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module", params=["netcat", "curl", "wget"])
def fetching(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """A guest for each way to fetch files."""
    kind: Kind = "dropbear" if request.param == "netcat" else "openssh"
    hidden = ("curl",) if request.param == "wget" else ()
    yield from _access(kind, tmp_path_factory.mktemp(request.param), hidden)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


def _counting(access: Access) -> tuple[str, Callable[[], int]]:
    """A command that leaves a line per run, and how many there are."""
    log = access.guest.file(f"tmp/runs-{access.sequence + 1}")
    return f"echo ran >>/tmp/{log.name}", lambda: log.read_text().count("ran") if log.exists() else 0


# --- running


def test_a_command_runs_as_root_in_its_download_folder_and_its_code_and_output_come_back(access: Access) -> None:
    result = access.run(access.request("pwd; id -u; echo trouble >&2; exit 3"))
    assert result == ScriptResult(3, f"/{DOWNLOAD}/{access.sequence}\n0\n", "trouble\n")
    folder = access.guest.file(f"{DOWNLOAD}/{access.sequence}")
    assert (folder / "stdout").read_text().endswith("\n0\n")
    assert (folder / "stderr").read_text() == "trouble\n"


def test_only_the_last_four_kib_of_each_output_come_back(access: Access) -> None:
    result = access.run(access.request("head -c 9000 /dev/zero | tr '\\0' a; echo end; seq 3000 >&2"))
    assert len(result.stdout_tail) == len(result.stderr_tail) == 4096
    assert result.stdout_tail.endswith("aaaend\n")
    assert result.stderr_tail.endswith("2999\n3000\n")


def test_a_second_run_of_the_same_sequence_finds_the_result_and_runs_nothing(access: Access) -> None:
    command, runs = _counting(access)
    request = access.request(f"{command}; exit 5")
    first = access.run(request)
    access.renew()
    second = access.run(request)
    assert (first.exit_code, first.was_run_before, second.exit_code, second.was_run_before) == (5, False, 5, True)
    assert runs() == 1


def test_another_sequence_number_runs_again(access: Access) -> None:
    command, runs = _counting(access)
    access.run(access.request(command))
    access.run(access.request(command))
    assert runs() == 2


def test_a_guest_that_restarts_does_not_run_its_script_again(access: Access) -> None:
    command, runs = _counting(access)
    request = access.request(command)
    access.run(request)
    access.guest.stop()
    access.guest.start()
    assert access.run(request).was_run_before  # also: the kept connection is dead, and is replaced
    assert runs() == 1


def test_a_script_that_was_cut_short_by_a_restart_is_told_as_such_and_not_run_again(access: Access) -> None:
    command, runs = _counting(access)
    request = access.request(f"{command}; sleep 60")
    task = access.begin(access.guests.run_script(access.guest.address, request))
    access.until(lambda: runs() == 1)
    access.guest.stop()
    with pytest.raises(GuestUnreachable):
        access.wait(asyncio.wait_for(task, 20))
    access.guest.start()
    result = access.run(request)
    assert result.exit_code is None and not result.is_success and result.was_run_before
    assert "interrupted" in result.message
    assert runs() == 1


def test_a_restart_while_files_are_fetched_lets_the_script_begin_anew(access: Access, web: WebServer) -> None:
    command, runs = _counting(access)
    web.answers["/slow/data.bin"] = Answer(200, b"x")
    request = access.request(command, file_uris=(web.url("/slow/data.bin"),))
    task = access.begin(access.guests.run_script(access.guest.address, request))
    access.until(lambda: web.times_asked("/slow/data.bin") == 1)
    access.guest.stop()
    with pytest.raises(GuestUnreachable):
        access.wait(asyncio.wait_for(task, 20))
    web.release.set()
    access.guest.start()
    result = access.run(request)
    assert result.is_success and not result.was_run_before
    assert runs() == 1


def test_a_run_outlives_its_connection_and_a_later_call_waits_for_it(access: Access) -> None:
    command, runs = _counting(access)
    go = access.guest.file(f"tmp/go-{access.sequence + 1}")
    request = access.request(f"{command}; until [ -e /tmp/{go.name} ]; do sleep 0.1; done; exit 7")
    task = access.begin(access.guests.run_script(access.guest.address, request))
    access.until(lambda: runs() == 1)
    access.renew()
    with pytest.raises(GuestUnreachable):
        access.wait(task)
    again = access.begin(access.guests.run_script(access.guest.address, request))
    access.until(lambda: any("front" in line for line in access.guest.process_files("cmdline")))
    go.touch()
    result = access.wait(again)
    assert (result.exit_code, result.was_run_before, runs()) == (7, True, 1)


def test_a_run_past_its_time_limit_is_stopped_with_all_its_children(access: Access) -> None:
    started = time.monotonic()
    result = access.run(access.request("echo begun; sleep 4321 & trap '' TERM; sleep 4322", timeout_s=1))
    assert time.monotonic() - started < 15
    assert result.exit_code is None
    assert "time limit of 1 s" in result.message
    assert result.stdout_tail == "begun\n"
    assert not [line for line in access.guest.process_files("cmdline") if "432" in line]


def test_what_a_script_leaves_in_the_background_runs_on_and_holds_nothing_up(access: Access) -> None:
    started = time.monotonic()
    result = access.run(access.request("sleep 5678 & echo done"))
    assert result.is_success and result.stdout_tail == "done\n"
    assert time.monotonic() - started < 10
    assert [line for line in access.guest.process_files("cmdline") if "sleep 5678" in line]


def test_nothing_of_the_runner_is_left_running_afterwards(access: Access) -> None:
    access.run(access.request("true"))
    access.until(
        lambda: (
            not [line for line in access.guest.process_files("cmdline") if "runner" in line or "sleep 60" in line]
        )
    )


def test_a_request_that_is_cut_off_on_its_way_runs_nothing(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    command, runs = _counting(access)
    request = access.request(f"{command} # {'x' * 1000}")
    whole = script_module._payload
    monkeypatch.setattr(script_module, "_payload", lambda *given: whole(*given)[:-900])
    with pytest.raises(GuestError, match="cut off"):
        access.run(request)
    monkeypatch.setattr(script_module, "_payload", whole)
    assert runs() == 0
    assert not access.run(request).was_run_before


def test_a_guest_that_cannot_keep_state_says_so(access: Access) -> None:
    base = access.guest.file("var/lib/waagent/custom-script")
    base.mkdir(parents=True, exist_ok=True)
    aside = base.rename(base.with_name("aside"))
    base.write_text("not a folder")
    try:
        with pytest.raises(GuestError, match="could not run a script") as caught:
            access.run(access.request("true"))
        assert not caught.value.is_retryable
    finally:
        base.unlink()
        aside.rename(base)


# --- scripts


def test_a_script_runs_under_its_own_interpreter_with_its_argument(access: Access) -> None:
    shell = access.run(access.request(script=b"#!/bin/sh -e\necho one\nfalse\necho two\n"))
    assert (shell.exit_code, shell.stdout_tail) == (1, "one\n")
    missing = access.run(access.request(script=b"#!/opt/no-such-program\n"))
    assert missing.exit_code == 127 and "no-such-program" in missing.stderr_tail


def test_windows_line_ends_of_a_script_are_mended_unless_they_are_wanted(access: Access) -> None:
    body = b"\xef\xbb\xbf#!/bin/sh\r\nprintf '%s' one | wc -c\r\n"
    mended = access.run(access.request(script=body))
    assert mended.is_success and mended.stdout_tail.strip() == "3"
    kept = access.run(access.request(script=b"printf '%s' one\r\n", skip_dos2unix=True))
    assert kept.stdout_tail == "one\r"


def test_a_script_of_the_greatest_size_arrives_whole(access: Access) -> None:
    filler = b"# " + gzip.compress(os.urandom(50_000)).hex().encode() * 3
    body = b"echo begin\n" + filler[: 256 * 1024 - 20] + b"\necho end\n"
    assert access.run(access.request(script=body)).stdout_tail == "begin\nend\n"


# --- files


def test_files_are_fetched_whole_and_can_be_run(fetching: Access, web: WebServer) -> None:
    data = os.urandom(70_000) + b"\r\n\0\r\n"
    web.answers["/a/data.bin?sig=1"] = Answer(200, data)
    web.answers["/run%20me.sh"] = Answer(200, b"#!/bin/sh\r\necho from file\r\n")
    uris = (web.url("/a/data.bin?sig=1"), web.url("/run%20me.sh"))
    result = fetching.run(fetching.request("'./run me.sh'", file_uris=uris))
    assert (result.exit_code, result.stdout_tail, result.message) == (0, "from file\n", "")
    folder = fetching.guest.file(f"{DOWNLOAD}/{fetching.sequence}")
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
    command, runs = _counting(fetching)
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


# --- secrets


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


# --- reaching it


def test_a_guest_that_shows_another_host_key_is_never_logged_in_to(access: Access) -> None:
    _, other_key = make_host_key()
    address = replace(access.guest.address, key="impostor", host_key_public=other_key)
    with pytest.raises(HostKeyMismatch):
        access.wait(access.guests.run_script(address, access.request("true")))
    with pytest.raises(HostKeyMismatch):
        access.wait(access.guests.probe(address, ProbeSettings("tcp", access.guest.port), "inside"))


def test_a_guest_that_does_not_know_the_key_yet_is_worth_another_try(access: Access) -> None:
    private, _ = make_host_key()
    guests = SshGuests(paramiko.Ed25519Key.from_private_key(io.StringIO(private)), port=access.guest.port)
    with pytest.raises(GuestUnreachable, match="does not accept the daemon's key"):
        access.wait(guests.run_script(access.guest.address, access.request("true")))
    access.wait(guests.close())


def test_a_guest_answers_when_its_ssh_server_shows_a_banner(access: Access) -> None:
    assert access.wait(access.guests.is_answering(access.guest.address))
    access.guest.stop()
    assert not access.wait(access.guests.is_answering(access.guest.address))
    with pytest.raises(GuestUnreachable):
        access.run(access.request("true"))
    access.guest.start()


def test_one_connection_serves_scripts_and_probes_until_the_guest_is_forgotten(access: Access) -> None:
    settings = ProbeSettings("tcp", access.guest.port)

    def connections() -> int:
        word = "-2 " if access.guest.kind == "dropbear" else "sshd: root@"
        return sum(1 for line in access.guest.process_files("cmdline") if word in line)

    access.renew()
    access.until(lambda: connections() == 0)
    for _ in range(3):
        assert access.wait(access.guests.probe(access.guest.address, settings, "inside")).health is Health.HEALTHY
        access.run(access.request("true"))
    assert connections() == 1
    access.wait(access.guests.forget(access.guest.address.key))
    access.until(lambda: connections() == 0)


# --- probes from inside


def test_a_probe_from_inside_asks_the_guests_own_localhost(access: Access, web: WebServer) -> None:
    web.answers["/health"] = lambda earlier: Answer(500 if earlier else 200)
    settings = ProbeSettings("http", web.port, "/health")
    results = [access.wait(access.guests.probe(access.guest.address, settings, "inside")) for _ in range(2)]
    assert [(each.health, each.detail) for each in results] == [
        (Health.HEALTHY, "HTTP 200"),
        (Health.UNHEALTHY, "HTTP 500"),
    ]
    assert web.asked[0][1]["Host"] == f"localhost:{web.port}"


def test_a_probe_from_inside_speaks_tls_without_asking_for_a_name(access: Access, tmp_path: Path) -> None:
    with serving(tmp_path) as web:
        web.answers["/health"] = Answer(200, b'{"ApplicationHealthState": "Unhealthy"}')
        settings = ProbeSettings("https", web.port, "/health", is_rich=True)
        result = access.wait(access.guests.probe(access.guest.address, settings, "inside"))
        assert (result.health, result.detail) == (Health.UNHEALTHY, "HTTP 200, Unhealthy")


@pytest.mark.parametrize("protocol", ["tcp", "http"])
def test_a_port_where_nothing_listens_is_unhealthy_from_inside(access: Access, protocol: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = ProbeSettings(protocol, unused.getsockname()[1])
        result = access.wait(access.guests.probe(access.guest.address, settings, "inside"))
    assert result.health is Health.UNHEALTHY
    assert "refused the channel" in result.detail


def test_a_slow_application_is_not_waited_for_and_costs_no_connection(access: Access, web: WebServer) -> None:
    web.answers["/slow"] = web.answers["/fast"] = Answer(200)
    slow = ProbeSettings("http", web.port, "/slow", timeout_s=0.5)
    result = access.wait(access.guests.probe(access.guest.address, slow, "inside"))
    assert (result.health, result.detail) == (Health.UNHEALTHY, "no answer within 0.5 s")
    fast = ProbeSettings("http", web.port, "/fast", timeout_s=2)
    assert access.wait(access.guests.probe(access.guest.address, fast, "inside")).health is Health.HEALTHY


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, number)


def test_a_guest_that_hangs_gives_no_answer_and_is_reached_again_when_it_goes_on(access: Access) -> None:
    settings = ProbeSettings("tcp", access.guest.port, timeout_s=1)
    address = access.guest.address
    assert access.wait(access.guests.probe(address, settings, "inside")).health is Health.HEALTHY
    pids = list(access.guest.processes())
    try:
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        results = [access.wait(access.guests.probe(address, settings, "inside")) for _ in range(2)]
        rich = replace(settings, protocol="http", is_rich=True)
        assert [each.health for each in results] == [Health.UNHEALTHY, Health.UNHEALTHY]
        assert access.wait(access.guests.probe(address, rich, "inside")).health is Health.UNKNOWN
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)
    assert access.wait(access.guests.probe(address, settings, "inside")).health is Health.HEALTHY
