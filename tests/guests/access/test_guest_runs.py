"""Runs in guests: told apart by tokens, ended on request, given parameters, run as another user."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest

from orchestrator.guest.port import ScriptKey, ScriptResult
from tests.guests.access.access import Access
from tests.guests.web_server import Answer, WebServer

pytestmark = pytest.mark.real


def stop(access: Access, sequence: int, reason: str = "It was cancelled.") -> ScriptResult:
    return access.wait(access.guests.stop_script(access.guest.address, ScriptKey("web", sequence), reason))


def test_another_run_of_the_same_number_runs_anew_and_the_same_run_does_not(access: Access) -> None:
    command, runs = access.counting()
    first = access.request(command, run="1")
    again = access.request(command, run="2")
    again = replace(again, sequence=first.sequence)
    assert not access.run(first).was_run_before
    assert access.run(first).was_run_before
    assert not access.run(again).was_run_before
    assert access.run(again).was_run_before
    assert runs() == 2


def test_a_run_that_is_ended_stops_with_all_its_children_and_keeps_what_it_said(access: Access) -> None:
    command, runs = access.counting()
    request = access.request(f"{command}; echo begun; sleep 5432 & sleep 5433")
    task = access.begin(access.guests.run_script(access.guest.address, request))
    access.until(lambda: runs() == 1)
    stopped = stop(access, request.sequence, "It was cancelled by\na request.")
    result = access.wait(task)
    assert (result.exit_code, result.message, result.stdout_tail) == (
        None,
        "It was cancelled by a request.",
        "begun\n",
    )
    assert (stopped.exit_code, stopped.message) == (None, result.message)
    assert not [line for line in access.guest.process_files("cmdline") if "543" in line]
    assert access.run(request).message == result.message, "it is not run again"
    assert runs() == 1


def test_a_run_that_has_ended_keeps_its_result_when_it_is_ended_again(access: Access) -> None:
    request = access.request("echo said; exit 4")
    access.run(request)
    late = stop(access, request.sequence)
    assert (late.exit_code, late.stdout_tail, late.was_run_before) == (4, "said\n", True)


def test_a_run_that_never_began_is_ended_at_once_and_for_all(access: Access) -> None:
    command, runs = access.counting()
    request = access.request(command)
    assert stop(access, request.sequence).message == "It was cancelled."
    assert access.run(request).message == "It was cancelled."
    assert runs() == 0


def test_a_run_is_ended_while_it_fetches_files(access: Access, web: WebServer) -> None:
    web.answers["/slow/late.bin"] = Answer(200, b"x")
    request = access.request("true", file_uris=(web.url("/slow/late.bin"),))
    task = access.begin(access.guests.run_script(access.guest.address, request))
    access.until(lambda: web.times_asked("/slow/late.bin") == 1)
    started = time.monotonic()
    stop(access, request.sequence)
    assert access.wait(task).message == "It was cancelled."
    assert time.monotonic() - started < 15
    web.release.set()


def test_extensions_and_run_commands_of_one_name_do_not_meet(access: Access) -> None:
    request = access.request("echo extension")
    other = access.request("echo command", area="run-command")
    other = replace(other, sequence=request.sequence)
    assert access.run(request).stdout_tail == "extension\n"
    assert access.run(other).stdout_tail == "command\n"
    assert access.guest.file(f"var/lib/waagent/run-command/download/web/{request.sequence}/stdout").exists()


def test_a_preamble_is_read_before_the_script_as_it_is(access: Access) -> None:
    preamble = b"a='one\r\n'\"'\"'two'; set -- 'x y'; "
    request = access.request(script=b'#!/bin/sh -e\r\nprintf \'%s|%s\' "$a" "$1"\r\nfalse\r\n', preamble=preamble)
    result = access.run(request)
    assert (result.exit_code, result.stdout_tail) == (1, "one\r\n'two|x y")


def test_a_fetched_script_gets_the_preamble_too(access: Access, web: WebServer) -> None:
    web.answers["/hello.sh"] = Answer(200, b"#!/bin/bash\r\necho hello $who\r\n")
    request = access.request(
        script=b"", preamble=b"who=you; ", file_uris=(web.url("/hello.sh"),), is_file_appended=True
    )
    assert access.run(request).stdout_tail == "hello you\n"


def test_a_script_runs_as_another_user_who_sees_nothing_of_ours(access: Access) -> None:
    accounts = access.guest.file("etc/passwd")
    if "worker" not in accounts.read_text():
        accounts.write_text(accounts.read_text() + "worker:x:4000:4000::/home/worker:/usr/sbin/nologin\n")
        groups = access.guest.file("etc/group")
        groups.write_text(groups.read_text() + "worker:x:4000:\n")
        home = access.guest.file("home/worker")
        home.mkdir(parents=True)
        os.chown(home, 4000, 4000)
        access.guest.root.chmod(0o755)  # it is the guest's own root folder
    script = (
        b"id -u; id -g; pwd; echo $HOME $USER; ls /proc/self/fd | tr '\\n' ' '; ls /var/lib/waagent 2>/dev/null"
    )
    result = access.run(access.request(script=script, user="worker", preamble=b"exec 4<&-; "))
    lines = result.stdout_tail.split("\n")
    assert lines[:4] == ["4000", "4000", "/home/worker", "/home/worker worker"], result
    assert "4" not in lines[4].split() and len(lines) == 5, result


def test_a_user_who_is_not_there_runs_nothing(access: Access) -> None:
    result = access.run(access.request("echo no", user="nobody-here"))
    assert (result.exit_code, result.message) == (None, "There is no user nobody-here here.")
