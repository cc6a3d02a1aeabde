"""What every request meets first: paths, versions, bodies, request ids, errors."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fake_world import SET, SETS, SUB, V, World, a_set

from orchestrator.api.front import canonical_path
from orchestrator.api.identity.gate import from_unix_socket
from orchestrator.errors import BadInput


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (
            "/subscriptions/S/resourceGroups/My-RG/providers/microsoft.COMPUTE//virtualMachineScaleSets/Web/",
            "/subscriptions/S/resourcegroups/My-RG/providers/microsoft.compute/virtualmachinescalesets/Web",
        ),
        ("/x/virtualMachines/start/powerOff", "/x/virtualMachines/start/powerOff"),
        (
            "/subscriptions/S/resourceGroups/providers/PROVIDERS/A.B/C",
            "/subscriptions/S/resourcegroups/providers/providers/a.b/c",
        ),
        ("/Providers/Vmss.Local/Hosts/H1/Drain", "/providers/vmss.local/hosts/H1/drain"),
        ("/subscriptions/S/resourceGroups/a%20b", "/subscriptions/S/resourcegroups/a b"),
        ("", "/"),
        ("///", "/"),
    ],
)
def test_types_lose_their_case_and_names_keep_it(raw: str, path: str) -> None:
    assert canonical_path(raw) == path


@pytest.mark.parametrize("raw", ["/a/b%2Fc", "/a/b%00c", "/a/b%0ac", "/" + "a" * 5000])
def test_a_path_that_cannot_be_one_is_refused(raw: str) -> None:
    with pytest.raises(BadInput):
        canonical_path(raw)


def test_a_path_in_any_case_leads_to_the_same_set(populated: World) -> None:
    odd = (
        f"/SUBSCRIPTIONS/{SUB.upper()}/resourcegroups/RG/Providers/microsoft.compute//virtualMachineScalesets/WEB/"
    )
    assert populated.get(odd)["name"] == "web"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?", "MissingApiVersionParameter"),
        ("?api-version=", "MissingApiVersionParameter"),
        ("?api-version=latest", "InvalidApiVersionParameter"),
        ("?api-version=2024-13-01", "InvalidApiVersionParameter"),
        ("?api-version=2024-11-01-nonsense", "InvalidApiVersionParameter"),
    ],
)
def test_a_version_is_required_and_must_be_a_date(world: World, query: str, expected: str) -> None:
    answer = world.send("GET", SETS + query)
    assert (answer.status_code, code(answer)) == (400, expected)


@pytest.mark.parametrize("version", ["2018-10-01", "2026-04-01", "2099-01-01-preview"])
def test_any_date_is_a_version(world: World, version: str) -> None:
    assert world.send("GET", f"{SETS}?Api-Version={version}").status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b'"text"',
        b"nul",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b'{"a": "x\\u0000y"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a":' * 100_000,
        b'{"a":' * 60 + b"1" + b"}" * 60,
        b"",
        b"   ",
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_a_body_that_cannot_be_read_is_refused_in_the_envelope(world: World, raw: bytes) -> None:
    answer = world.send("PUT", SET, content=raw)
    assert (answer.status_code, code(answer)) == (400, "InvalidRequestContent")
    assert world.store.scale_sets() == []


def test_a_body_with_a_byte_order_mark_is_read(world: World) -> None:
    assert world.send("PUT", SET, content=b"\xef\xbb\xbf" + json.dumps(a_set()).encode()).status_code == 201


def test_a_body_above_a_mebibyte_is_refused_before_it_is_read_whole(world: World) -> None:
    answer = world.send("PUT", SET, content=b" " * (1 << 20) + b"{}")
    assert (answer.status_code, code(answer)) == (413, "RequestEntityTooLarge")


def test_what_is_nowhere_is_told_in_the_envelope(world: World) -> None:
    answer = world.send("GET", "/nothing/here")
    assert (answer.status_code, code(answer)) == (404, "NotFound")


def test_a_verb_that_is_not_there_is_told_with_those_that_are(world: World) -> None:
    answer = world.send("POST", SET)
    assert (answer.status_code, code(answer)) == (405, "MethodNotAllowed")
    assert "allow" in answer.headers


def test_another_subscription_is_not_found(world: World) -> None:
    other = SET.replace(SUB, "00000000-0000-0000-0000-000000000000")
    answer = world.send("GET", other)
    assert (answer.status_code, code(answer)) == (404, "SubscriptionNotFound")


@pytest.mark.parametrize("name", ["-x", "x.", "a" * 65, "a%20b", "%C3%A9"])
def test_a_name_that_does_not_fit_is_refused(world: World, name: str) -> None:
    assert world.put(f"{SETS}/{name}").status_code == 400
    assert world.put(SET.replace("/rg/", f"/{'g' * 91}/")).status_code == 400


def test_every_answer_carries_ids_and_echoes_the_clients(world: World) -> None:
    headers = {"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "ours"}
    for path in (SETS, SETS + "?", "/nothing"):
        answer = world.send("GET", path, headers=headers)
        assert answer.headers["x-ms-client-request-id"] == "mine"
        assert answer.headers["x-ms-correlation-request-id"] == "ours"
        assert len(answer.headers["x-ms-request-id"]) == 36


def test_what_nobody_foresaw_is_a_500_in_the_envelope_without_its_words(populated: World) -> None:
    def broken(_uid: str) -> Any:
        raise RuntimeError("the secret inside")

    populated.control.seen = broken  # type: ignore[method-assign]

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(from_unix_socket(populated.app), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(f"{SET}/instanceView{V}")

    answer = asyncio.run(go())
    assert (answer.status_code, code(answer)) == (500, "InternalExecutionError")
    assert "the secret inside" not in answer.text
    assert "x-ms-request-id" in answer.headers


AT_A_PORT = "http://127.0.0.1:8080/metadata/endpoints"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://page.example"}, {"Origin": "null"}, {"Host": "page.example"}], ids=str
)
def test_a_web_page_cannot_knock_at_the_port(world: World, headers: dict[str, str]) -> None:
    answer = world.send("GET", AT_A_PORT, headers=headers, is_local=False)
    assert answer.status_code == 403
    assert code(answer) == "AuthorizationFailed"


def test_a_program_on_this_machine_may_knock_at_the_port(world: World) -> None:
    assert world.send("GET", AT_A_PORT, is_local=False).status_code == 200
