"""Scripts in guests: what runs, how often, how it ends, and what comes back."""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from pathlib import Path

import pytest

from orchestrator.errors import GuestError, GuestUnreachable
from orchestrator.guest import script as script_module
from orchestrator.guest.port import ScriptResult
from tests.guests.access.access import DOWNLOAD, Access
from tests.guests.web_server import Answer, WebServer

pytestmark = pytest.mark.real


def test_a_command_runs_as_root_in_its_download_folder_and_its_code_and_output_come_back(access: Access) -> None:
    result = access.run(access.request("pwd; id -u; echo trouble >&2; exit 3"))
    assert result == ScriptResult(3, f"/{DOWNLOAD}/web/{access.sequence}\n0\n", "trouble\n")
    folder = access.guest.file(f"{DOWNLOAD}/web/{access.sequence}")
    assert (folder / "stdout").read_text().endswith("\n0\n")
    assert (folder / "stderr").read_text() == "trouble\n"


def test_only_the_last_four_kib_of_each_output_come_back(access: Access) -> None:
    result = access.run(access.request("head -c 9000 /dev/zero | tr '\\0' a; echo end; seq 3000 >&2"))
    assert len(result.stdout_tail) == len(result.stderr_tail) == 4096
    assert result.stdout_tail.endswith("aaaend\n")
    assert result.stderr_tail.endswith("2999\n3000\n")


def test_a_second_run_of_the_same_sequence_finds_the_result_and_runs_nothing(access: Access) -> None:
    command, runs = access.counting()
    request = access.request(f"{command}; exit 5")
    first = access.run(request)
    access.renew()
    second = access.run(request)
    assert (first.exit_code, first.was_run_before, second.exit_code, second.was_run_before) == (5, False, 5, True)
    assert runs() == 1


def test_another_sequence_number_runs_again(access: Access) -> None:
    command, runs = access.counting()
    access.run(access.request(command))
    access.run(access.request(command))
    assert runs() == 2


def test_a_guest_that_restarts_does_not_run_its_script_again(access: Access) -> None:
    command, runs = access.counting()
    request = access.request(command)
    access.run(request)
    access.guest.stop()
    access.guest.start()
    assert access.run(request).was_run_before  # also: the kept connection is dead, and is replaced
    assert runs() == 1


def test_a_script_that_was_cut_short_by_a_restart_is_told_as_such_and_not_run_again(access: Access) -> None:
    command, runs = access.counting()
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
    command, runs = access.counting()
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
    command, runs = access.counting()
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


def test_a_script_waits_until_cloud_init_has_ended(access: Access) -> None:
    command, runs = access.counting()
    run_folder = Path(f"/proc/{access.guest.processes()[0]}/root/run")
    (run_folder / "cloud-init").mkdir()
    (run_folder / "cloud-init/enabled").touch()
    task = access.begin(access.guests.run_script(access.guest.address, access.request(command)))
    access.until(lambda: any(line.startswith("sleep 1 ") for line in access.guest.process_files("cmdline")))
    assert runs() == 0
    (run_folder / "cloud-init/result.json").touch()
    assert access.wait(task).is_success
    assert runs() == 1


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
    command, runs = access.counting()
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
