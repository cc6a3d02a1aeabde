"""Probes from outside, against real servers on loopback: good, bad and hostile ones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.guest.http_question import BODY_MAX_BYTES, USER_AGENT, HttpAnswer, judge_answer
from orchestrator.guest.port import GuestAddress
from orchestrator.guest.probes import probe_outside
from orchestrator.guest.seed import make_host_key
from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.health import Health, ProbeResult, ProbeSettings
from tests.guests.web_server import Answer, WebServer, serving
from tests.unit.guest.talking_server import talking

GUEST = GuestAddress("web_0", "127.0.0.1", "root", make_host_key()[1], "uuid")


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving() as server:
        yield server


def ask(protocol: Any, port: int, path: str = "/", is_rich: bool = False, timeout_s: float = 5) -> ProbeResult:
    settings = ProbeSettings(protocol, port, path, is_rich=is_rich, timeout_s=timeout_s)
    return asyncio.run(probe_outside(GUEST, settings))


def ask_one_that_says(said: bytes, *, is_closing: bool = True, is_rich: bool = False) -> ProbeResult:
    """A probe of a server that says this to whoever comes, and then hangs up or just waits."""

    async def story() -> ProbeResult:
        async with talking(said, is_closing=is_closing) as port:
            return await probe_outside(GUEST, ProbeSettings("http", port, is_rich=is_rich, timeout_s=1))

    return asyncio.run(story())


def test_the_question_is_a_plain_get_that_says_who_asks(web: WebServer) -> None:
    web.answers["/a?b=c"] = Answer(200)
    assert ask("http", web.port, "/a?b=c") == ProbeResult(Health.HEALTHY, "HTTP 200")
    path, headers = web.asked[0]
    assert (path, headers["Host"], headers["User-Agent"]) == ("/a?b=c", f"127.0.0.1:{web.port}", USER_AGENT)


@pytest.mark.parametrize("status", [201, 204, 301, 404, 500, 503])
def test_in_binary_only_status_200_is_healthy(web: WebServer, status: int) -> None:
    web.answers["/"] = Answer(status)
    assert ask("http", web.port) == ProbeResult(Health.UNHEALTHY, f"HTTP {status}")


def test_a_redirect_is_not_followed(web: WebServer) -> None:
    web.answers["/"] = Answer(302, headers={"Location": "/good"})
    web.answers["/good"] = Answer(200)
    assert ask("http", web.port).health is Health.UNHEALTHY
    assert web.times_asked("/good") == 0


def test_tls_certificates_are_not_verified(tmp_path: Path) -> None:
    with serving(tmp_path) as web:
        web.answers["/"] = Answer(200)
        assert ask("https", web.port) == ProbeResult(Health.HEALTHY, "HTTP 200")


def test_an_open_port_is_healthy_for_tcp(web: WebServer) -> None:
    assert ask("tcp", web.port) == ProbeResult(Health.HEALTHY, f"port {web.port} opens")


@pytest.mark.parametrize(
    ("protocol", "is_rich", "health"),
    [
        ("tcp", False, "Unhealthy"),
        ("http", False, "Unhealthy"),
        ("tcp", True, "Unhealthy"),
        ("http", True, "Unknown"),
    ],
)
def test_a_closed_port_is_unhealthy_except_in_rich_http(protocol: str, is_rich: bool, health: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = ask(protocol, unused.getsockname()[1], is_rich=is_rich)
    assert result.health == health
    assert result.detail.endswith("Connection refused")


def test_a_server_that_never_answers_is_left_at_the_deadline(web: WebServer) -> None:
    assert ask("http", web.port, "/slow", timeout_s=0.2) == ProbeResult(Health.UNHEALTHY, "no answer within 0.2 s")


def test_tls_to_a_server_without_tls_is_no_answer(web: WebServer) -> None:
    result = ask("https", web.port, timeout_s=2)
    assert result.health is Health.UNHEALTHY
    assert result.detail.startswith("no TLS")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200",
        b"\x00" * 100,
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
)
def test_what_is_not_http_is_unhealthy(said: bytes) -> None:
    result = ask_one_that_says(said)
    assert result.health is Health.UNHEALTHY
    assert result.detail.startswith(("not an HTTP answer", "the connection broke"))


def test_a_head_without_an_end_is_not_read_for_ever() -> None:
    result = ask_one_that_says(b"HTTP/1.1 200 OK\r\nX: ", is_closing=False)
    assert result == ProbeResult(Health.UNHEALTHY, "no answer within 1 s")


def test_a_provisional_answer_is_not_the_answer() -> None:
    assert ask_one_that_says(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").health is Health.HEALTHY


def test_in_binary_the_body_is_not_waited_for() -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    assert ask_one_that_says(said, is_closing=False).health is Health.HEALTHY


@pytest.mark.parametrize("state", ["Healthy", "Unhealthy"])
def test_a_rich_answer_names_the_state(web: WebServer, state: str) -> None:
    web.answers["/"] = Answer(202, f'{{"ApplicationHealthState": "{state}", "customMetrics": "{{}}"}}'.encode())
    metrics = CustomMetrics("{}")
    assert ask("http", web.port, is_rich=True) == ProbeResult(Health(state), f"HTTP 202, {state}", metrics)


def test_a_rich_body_without_a_length_ends_with_the_connection() -> None:
    said = b'HTTP/1.0 200 OK\r\n\r\n{"ApplicationHealthState": "Healthy"}'
    assert ask_one_that_says(said, is_rich=True).health is Health.HEALTHY


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Healthy",
        b'"Healthy"',
        b"[]",
        b"{}",
        b'{"ApplicationHealthState": "healthy"}',
        b'{"ApplicationHealthState": "Initializing"}',
        b'{"ApplicationHealthState": null}',
        b'{"ApplicationHealthState": ["Healthy"]}',
        b'{"ApplicationHealthState": "Healthy"',
        b"\xff\xfe",
        b"[" * 60_000,
    ],
)
def test_a_rich_body_that_names_no_state_is_unknown(web: WebServer, body: bytes) -> None:
    web.answers["/"] = Answer(200, body)
    result = ask("http", web.port, is_rich=True)
    assert result == ProbeResult(Health.UNKNOWN, "HTTP 200, but the body names no ApplicationHealthState")


def test_a_rich_body_beyond_the_cap_is_unknown(web: WebServer) -> None:
    filler = b" " * BODY_MAX_BYTES
    web.answers["/"] = Answer(200, b'{"ApplicationHealthState": "Healthy"}' + filler)
    result = ask("http", web.port, is_rich=True)
    assert (result.health, "longer than 65536" in result.detail) == (Health.UNKNOWN, True)


@pytest.mark.parametrize("status", [199, 300, 404, 500])
def test_a_rich_answer_with_another_status_than_2xx_is_unknown(status: int) -> None:
    settings = ProbeSettings("http", 80, is_rich=True)
    answer = HttpAnswer(status, b'{"ApplicationHealthState": "Unhealthy"}')
    assert judge_answer(settings, answer) == ProbeResult(Health.UNKNOWN, f"HTTP {status}")
