from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_cli_daemon import FakeClock, FakeDaemon

from orchestrator.cli.client import Client, SetRef
from orchestrator.cli.endpoint import Endpoint
from orchestrator.cli.faults import ApiError, DaemonUnreachable, WaitTimedOut, exit_code
from orchestrator.errors import BadInput, ErrorDetail, ImageError, NotFound, VmssError

ENDPOINT = Endpoint("http://vmssd", Path("/nowhere/vmssd.sock"), "a test")


def client_of(answer: Callable[[httpx.Request], httpx.Response], clock: FakeClock | None = None) -> Client:
    return Client(ENDPOINT, transport=httpx.MockTransport(answer), sleep=(clock or FakeClock()).sleep)


def answering(status: int, **response: Any) -> Client:
    return client_of(lambda _: httpx.Response(status, **response))


def test_the_error_envelope_becomes_one_exception_with_code_target_and_every_detail() -> None:
    details = [{"code": "A", "message": "first", "target": "sku.name"}, {"code": "B", "message": "second"}]
    envelope = {"code": "InvalidParameter", "message": "two things", "target": "properties", "details": details}
    with pytest.raises(ApiError) as raised:
        answering(400, json={"error": envelope}).get("/x")
    assert (raised.value.code, raised.value.message, raised.value.target) == (
        "InvalidParameter",
        "two things",
        "properties",
    )
    assert raised.value.details == (ErrorDetail("A", "first", "sku.name"), ErrorDetail("B", "second", None))
    assert raised.value.http_status == 400


def test_404_is_not_found_with_the_daemons_own_code() -> None:
    with pytest.raises(NotFound) as raised:
        answering(404, json={"error": {"code": "ResourceGroupNotFound", "message": "no"}}).get("/x")
    assert raised.value.code == "ResourceGroupNotFound"


@pytest.mark.parametrize(
    "response", [{"text": "<h1>Bad gateway</h1>"}, {"json": {"detail": "odd"}}, {"json": []}, {"content": b""}]
)
def test_an_error_without_an_envelope_still_says_what_was_asked_and_answered(response: Any) -> None:
    with pytest.raises(ApiError, match=r"GET /x was answered with HTTP 502") as raised:
        answering(502, **response).get("/x")
    assert raised.value.code == "Http502"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (httpx.ConnectError("Connection refused"), "is vmssd running"),
        (httpx.ConnectError("[Errno 13] Permission denied"), "sudo"),
        (httpx.ReadTimeout("slow"), "did not answer GET /x within 60 s"),
        (httpx.RemoteProtocolError("gone"), "cannot reach vmssd"),
    ],
)
def test_silence_is_daemon_unreachable_and_says_where_it_was_looked_for(fault: Exception, says: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise fault

    with pytest.raises(DaemonUnreachable, match=says) as raised:
        client_of(fail).get("/x")
    assert "/nowhere/vmssd.sock" in raised.value.message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ApiError("x", code="Conflict", http_status=409), 1),
        (ImageError("x"), 1),
        (BadInput("x"), 2),
        (NotFound("x"), 3),
        (ApiError("x", code="ResourceNotFound", http_status=404), 3),
        (WaitTimedOut("x"), 4),
        (DaemonUnreachable("x"), 5),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: VmssError, code: int) -> None:
    assert exit_code(error) == code


def test_a_busy_daemon_is_asked_again_after_the_time_it_names(clock: FakeClock) -> None:
    answers = [httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(200, json={"ok": True})]
    assert client_of(lambda _: answers.pop(0), clock).send("POST", "/x").body == {"ok": True}
    assert clock.sleeps == [3.0]


def test_503_repeats_a_read_but_never_a_write(clock: FakeClock) -> None:
    asked: list[str] = []

    def busy(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(503, json={"error": {"code": "Busy", "message": "later"}})

    client = client_of(busy, clock)
    for method in ("GET", "POST"):
        with pytest.raises(ApiError):
            client.send(method, "/x")
    assert asked == ["GET"] * 4 + ["POST"]


def test_all_pages_of_a_list_are_read_and_the_links_host_is_ignored() -> None:
    seen: list[str] = []

    def pages(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        if "token" in request.url.params:
            return httpx.Response(200, json={"value": [3]})
        return httpx.Response(200, json={"value": [1, 2], "nextLink": "http://elsewhere/list?token=a%26b"})

    assert list(client_of(pages).pages("/list", **{"$expand": "instanceView"})) == [1, 2, 3]
    assert seen[0].startswith("http://vmssd/list?api-version=2024-11-01&%24expand=instanceView")
    assert seen[1] == "http://vmssd/list?api-version=2024-11-01&token=a%26b"


def test_names_are_quoted_so_that_they_cannot_reach_another_path(daemon: FakeDaemon) -> None:
    client = Client(ENDPOINT, transport=daemon.transport)
    path = client.path_of(SetRef("a/b", "../x?y"), "virtualMachines", "0")
    assert path.endswith(
        "/resourceGroups/a%2Fb/providers/Microsoft.Compute/virtualMachineScaleSets/..%2Fx%3Fy/virtualMachines/0"
    )
