"""The OpenAPI document says all there is, in Azure's spelling, and nothing that leads nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fake_world import World, a_set

from orchestrator.api.front import canonical_path
from orchestrator.api.openapi.spelling import known_words
from orchestrator.model.arm.base import aliases_of
from orchestrator.model.arm.scale_set import ScaleSetProperties

Json = dict[str, Any]
SET = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute"
    "/virtualMachineScaleSets/{vmScaleSetName}"
)


@pytest.fixture
def document(world: World) -> Json:
    found: Json = world.send("GET", "/openapi.json?").json()
    return found


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_needs_a_token_on_a_port(world: World) -> None:
    answer = world.send("GET", "/openapi.json?", is_local=False)
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


def test_every_word_of_every_path_has_azures_spelling(document: Json) -> None:
    words = set(known_words().values())
    segments = {part for path in document["paths"] for part in path.split("/") if part and part[0] != "{"}
    assert segments - words == set()


def test_every_path_is_answered_in_the_spelling_of_the_document(world: World, document: Json) -> None:
    """A 404 for what no route serves says that there is nothing at that path."""
    for path, method, _ in operations(document):
        sent = re.sub(r"\{\w+\}", "x", path)
        answer = world.send(method.upper(), sent, is_local=True)
        assert "There is nothing at" not in answer.text, (method, path)
        assert answer.status_code != 405, (method, path)
        assert canonical_path(sent)


def test_operations_have_ids_of_their_own_and_say_what_they_do(document: Json) -> None:
    ids = [operation["operationId"] for *_, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"] for *_, operation in operations(document))


def test_every_reference_leads_somewhere(document: Json) -> None:
    for address in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        there: Any = document
        for part in address.split("/"):
            there = there[part]


def test_every_parameter_of_a_path_is_described(document: Json) -> None:
    for path, _, operation in operations(document):
        described = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert described == re.findall(r"\{(\w+)\}", path)


def test_a_version_is_required_wherever_the_front_door_requires_it(world: World, document: Json) -> None:
    for path, method, operation in operations(document):
        needed = [
            each["name"] for each in operation["parameters"] if each.get("required") and each["in"] == "query"
        ]
        answer = world.send(method.upper(), re.sub(r"\{\w+\}", "x", path) + "?")
        is_refused = "MissingApiVersionParameter" in answer.text
        assert is_refused is (needed == ["api-version"]) or method == "head", (method, path)


def test_every_body_is_described_by_more_than_that_there_is_one(document: Json) -> None:
    for path, method, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        is_only_shown = "/defaultSecurityRules/" in path
        assert is_only_shown or body is None or not body["schema"]["$ref"].endswith("/Generic"), (method, path)


def test_every_error_is_the_envelope(document: Json) -> None:
    for path, method, operation in operations(document):
        for status, answer in operation["responses"].items():
            is_login = path.endswith(("/token", "openid-configuration", "/keys"))
            if int(status) >= 400 and method != "head" and not is_login:
                assert answer == {"$ref": f"#/components/responses/Error{status}"}


def test_what_the_scale_set_model_reads_is_what_the_document_tells(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert set(aliases_of(ScaleSetProperties)) <= set(schemas["ScaleSetProperties"]["properties"])
    counts = schemas["ScaleSetProperties"]["properties"]["platformFaultDomainCount"]["anyOf"][0]
    assert counts == {"type": "integer", "minimum": 1, "maximum": 5}
    refused = schemas["ScaleSetProperties"]["properties"]["priorityMixPolicy"]
    assert refused["enum"] == [None, False, []]


def test_a_patch_requires_nothing_and_clears_by_null(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert "required" in schemas["ScaleSetResource"]
    assert "required" not in schemas["ScaleSetResourceUpdate"]
    sku = schemas["ScaleSetResourceUpdate"]["properties"]["sku"]
    assert sku == {"anyOf": [{"$ref": "#/components/schemas/SkuUpdate"}, {"type": "null"}]}


def test_what_get_shows_of_a_set_is_described_as_what_put_takes(world: World, document: Json) -> None:
    world.put(body=a_set())
    schemas = document["components"]["schemas"]
    assert set(world.get()) <= set(schemas["ScaleSetResource"]["properties"])
    assert set(world.get()["properties"]) <= set(schemas["ScaleSetProperties"]["properties"])


def test_conditions_stand_where_they_are_honoured(document: Json) -> None:
    def headers(path: str, method: str) -> list[str]:
        return [each["name"] for each in document["paths"][path][method]["parameters"] if each["in"] == "header"]

    assert headers(SET, "put") == headers(SET, "delete") == ["If-Match", "If-None-Match"]
    assert headers(SET, "get") == headers(f"{SET}/start", "post") == []
    assert "412" in document["paths"][SET]["put"]["responses"]
