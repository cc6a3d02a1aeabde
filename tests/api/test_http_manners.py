"""HTTP itself: methods, kinds of bodies, headers of every answer, ETags."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest
from fake_world import GROUP, NOW, SET, SETS, SUB, World, a_set

from orchestrator.api.answer_headers import common_headers

VM = f"{SET}/virtualMachines/0"


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", SET, "DELETE, GET, HEAD, PATCH, PUT"),
        ("PUT", SETS, "GET"),
        ("GET", f"{SET}/start", "POST"),
        ("HEAD", f"{SET}/instanceView", "GET"),
        ("PATCH", VM, "DELETE, GET, PUT"),
        ("POST", f"{GROUP}", "DELETE, GET, HEAD, PATCH, PUT"),
        ("DELETE", "/providers/Vmss.Local/status", "GET"),
        ("PUT", f"/subscriptions/{SUB}", "GET"),
    ],
)
def test_a_method_that_is_not_there_is_told_with_all_that_are(
    populated: World, method: str, path: str, allowed: str
) -> None:
    answer = populated.send(method, path, {} if method in {"PUT", "PATCH"} else None)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    if method != "HEAD":
        assert code(answer) == "MethodNotAllowed"


def test_options_are_the_methods(populated: World) -> None:
    answer = populated.send("OPTIONS", SET)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert "content-type" not in answer.headers


def test_head_says_whether_a_resource_is_there(populated: World) -> None:
    assert populated.send("HEAD", SET).status_code == 204
    assert populated.send("HEAD", f"{SETS}/other").status_code == 404


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{GROUP}/providers/Microsoft.Nothing/things/a", "InvalidResourceNamespace"),
        (f"{GROUP}/providers/Microsoft.Compute/things/a", "InvalidResourceType"),
        (f"{GROUP}/providers/Microsoft.Compute/things", "InvalidResourceType"),
        (f"/subscriptions/{SUB}/providers/Microsoft.Nothing/things", "InvalidResourceNamespace"),
        (f"{SET}/things/a", "InvalidResourceType"),
        (f"{SET}/things", "InvalidResourceType"),
        (f"{SETS}/other", "ResourceNotFound"),
        (f"{VM}9", "NotFound"),
        (f"/subscriptions/{SUB}/nothing", "NotFound"),
    ],
)
def test_what_is_not_there_is_told_in_azures_words(populated: World, path: str, expected: str) -> None:
    answer = populated.send("GET", path)
    assert (answer.status_code, code(answer)) == (404, expected)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"])
def test_a_body_that_says_it_is_not_json_is_refused(world: World, kind: str) -> None:
    answer = world.send("PUT", SET, content=json.dumps(a_set()), headers={"content-type": kind})
    assert (answer.status_code, code(answer)) == (415, "UnsupportedMediaType")
    assert world.store.scale_sets() == []


def test_a_body_that_is_packed_is_refused(world: World) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = world.send("PUT", SET, content=gzip.compress(json.dumps(a_set()).encode()), headers=headers)
    assert (answer.status_code, code(answer)) == (415, "UnsupportedMediaType")
    assert answer.json()["error"]["target"] == "Content-Encoding"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
)
def test_json_is_json_by_any_of_its_names(world: World, kind: str) -> None:
    assert world.send("PUT", SET, content=json.dumps(a_set()), headers={"content-type": kind}).status_code == 201


def test_nothing_is_cached_and_nothing_is_guessed(populated: World) -> None:
    for method, path in (("GET", SET), ("GET", f"{SETS}/other"), ("POST", f"{SET}/start"), ("GET", "/nothing")):
        headers = populated.send(method, path).headers
        assert headers["cache-control"] == "no-cache"
        assert headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in headers
    secret = populated.send("PUT", "/providers/Vmss.Local/principals/a", {"properties": {"role": "reader"}})
    assert secret.headers.get_list("cache-control") == ["no-store"]


def test_the_clients_own_id_comes_back_unless_it_says_no(world: World) -> None:
    own = {"x-ms-client-request-id": "mine"}
    assert world.send("GET", SETS, headers=own).headers["x-ms-client-request-id"] == "mine"
    told = world.send("GET", SETS, headers={**own, "x-ms-return-client-request-id": "True"})
    assert told.headers["x-ms-client-request-id"] == "mine"
    untold = world.send("GET", SETS, headers={**own, "x-ms-return-client-request-id": "false"})
    assert "x-ms-client-request-id" not in untold.headers


@pytest.mark.parametrize(
    ("scheme", "host", "is_told"),
    [
        ("https", b"vmss.school.example:8443", True),
        ("https", b"localhost:8443", False),
        ("https", b"127.0.0.1:8443", False),
        ("https", b"192.0.2.7", False),
        ("http", b"vmss.school.example", False),
        ("https", b"", False),
    ],
)
def test_a_browser_is_held_to_https_by_a_name_that_is_ours_alone(scheme: str, host: bytes, is_told: bool) -> None:
    scope = {"type": "http", "scheme": scheme, "headers": [(b"host", host)]}
    assert (b"strict-transport-security" in dict(common_headers(scope))) is is_told


@pytest.mark.parametrize("path", [SET, VM])
def test_an_etag_is_the_same_in_header_and_body(populated: World, path: str) -> None:
    answer = populated.send("GET", path)
    assert answer.headers["etag"] == answer.json()["etag"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", SET, a_set()),
        ("PATCH", SET, {"tags": {"a": "b"}}),
        ("DELETE", SET, None),
        ("PUT", VM, {"properties": {"protectionPolicy": {"protectFromScaleIn": True}}}),
    ],
)
def test_a_change_of_what_has_changed_meanwhile_is_refused(
    populated: World, method: str, path: str, body: dict[str, object] | None
) -> None:
    before, rows = populated.record, populated.rows()
    stale = populated.send(method, path, body, headers={"if-match": '"stale"'})
    assert (stale.status_code, code(stale)) == (412, "PreconditionFailed")
    new = populated.send(method, path, body, headers={"if-none-match": "*"})
    assert new.status_code == 412
    assert (populated.record, populated.rows()) == (before, rows)
    etag = populated.send("GET", path).headers["etag"]
    populated.clock[0] = NOW + 1
    assert populated.send(method, path, body, headers={"if-match": etag}).status_code in {200, 202}
