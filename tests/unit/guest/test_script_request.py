"""What goes to a guest's runner and what comes back."""

from __future__ import annotations

import pytest

from orchestrator.errors import BadInput
from orchestrator.guest.port import ScriptRequest, ScriptResult
from orchestrator.guest.script import _END, _parse, _payload, _runner
from orchestrator.model.custom_script import parse_custom_script


def wish(request: ScriptRequest) -> list[bytes]:
    """The lines after the runner: first the size of the rest, which must be right."""
    payload = _payload(request, download_wait_s=3)
    _, _, rest = payload.partition(f"{_END}\n".encode())
    size, _, body = rest.partition(b"\n")
    assert int(size) == len(body)
    return body.split(b"\n")


def test_a_request_is_lines_and_then_the_bytes_to_run() -> None:
    request = ScriptRequest(
        "cse", 7, ("https://h.example/a/b%20c.sh?k=v",), command="echo one\necho two", timeout_s=1.2
    )
    assert wish(request) == [
        *(b"cse", b"7", b"", b"2", b"3", b"yes", b"", b"no", b"/bin/sh", b"", b"1"),
        *(b"https://h.example/a/b%20c.sh?k=v", b"b c.sh", b"https", b"h.example", b"443", b"h.example"),
        b"/a/b%20c.sh?k=v",
        *(b"echo one", b"echo two"),
    ]


@pytest.mark.parametrize(
    ("script", "interpreter", "argument", "body"),
    [
        (b"echo hi\n", b"/bin/sh", b"", b"echo hi\n"),
        (b"#!/usr/bin/env python3\nx\n", b"/usr/bin/env", b"python3", b"#!/usr/bin/env python3\nx\n"),
        (b"#! /bin/awk -f \r\nx\r\n", b"/bin/awk", b"-f", b"#! /bin/awk -f \nx\n"),
        (b"\xef\xbb\xbf#!/bin/bash\r\nx", b"/bin/bash", b"", b"#!/bin/bash\nx"),
        (b"#!relative\nx", b"/bin/sh", b"", b"#!relative\nx"),
    ],
)
def test_a_script_is_run_as_its_first_line_says(
    script: bytes, interpreter: bytes, argument: bytes, body: bytes
) -> None:
    lines = wish(ScriptRequest("cse", 0, script=script))
    assert (lines[8], lines[9], b"\n".join(lines[11:])) == (interpreter, argument, body)


def test_without_conversion_a_script_keeps_its_bytes() -> None:
    lines = wish(ScriptRequest("cse", 0, script=b"a\r\n", skip_dos2unix=True))
    assert (lines[5], b"\n".join(lines[11:])) == (b"no", b"a\r\n")


@pytest.mark.parametrize(("name", "sequence"), [("../x", 0), ("", 0), ("a b", 0), ("a\nb", 0), ("a", -1), (".", 0)])
def test_a_name_that_is_no_file_name_is_refused(name: str, sequence: int) -> None:
    with pytest.raises(BadInput):
        _payload(ScriptRequest(name, sequence, command="true"), 3)


def test_the_runner_is_sent_without_comments_and_does_not_hold_its_own_end_mark() -> None:
    assert not [line for line in _runner().splitlines() if line.startswith("#")]
    assert _END not in _runner()


def test_a_request_takes_over_what_the_settings_say() -> None:
    settings = {"fileUris": ["http://h/f"], "commandToExecute": "./f", "skipDos2Unix": True, "timestamp": 5}
    request = ScriptRequest.of(parse_custom_script(settings, None, "2.1", "x"), "cse", 4, 60.0)
    assert request == ScriptRequest("cse", 4, ("http://h/f",), "./f", None, 60.0, skip_dos2unix=True)


def test_a_request_does_not_show_its_secrets() -> None:
    request = ScriptRequest("cse", 0, ("http://h/a?canary",), command="canary")
    assert "canary" not in repr(request)


def test_a_report_is_read_whole() -> None:
    report = b"vmss-report\nyes\n-\nIt was stopped.\n4\n2\nout\n\xffe"
    assert _parse(report) == ScriptResult(None, "out\n", "�e", "It was stopped.", was_run_before=True)
    assert _parse(b"vmss-report\nno\n3\n\n0\n0\n") == ScriptResult(3, "", "")


@pytest.mark.parametrize(
    "report",
    [b"", b"sh: not found\n", b"vmss-report\nyes\n0\n\n4\n0\nout", b"vmss-report\nyes\nx\n\n0\n0\n", b"a\n" * 6],
)
def test_half_a_report_is_none(report: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        _parse(report)
