"""The document: every route with its parameters, body and answers, and every type that the general routes serve."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fastapi.routing import APIRoute

from orchestrator.api.deployments.bodies import read_deployment
from orchestrator.api.identity import login, managed
from orchestrator.api.identity.roles import is_open
from orchestrator.api.kinds import API_VERSIONS, Kinds
from orchestrator.api.openapi.answers import ANSWER_SCHEMAS, RESPONSES, answers, login_answers
from orchestrator.api.openapi.bodies import MODELS, OWN_SCHEMAS, body_name, form_of, key_of, model_of
from orchestrator.api.openapi.entries import Entry, entries_of
from orchestrator.api.openapi.schemas import all_schemas, ref
from orchestrator.api.openapi.spelling import parameters_of, spelled
from orchestrator.api.queries import taken_by
from orchestrator.api.requests import read_body, read_optional_body
from orchestrator.api.set_writes import check_preconditions

Json = dict[str, Any]
_VERSION: Json = {
    "name": "api-version",
    "in": "query",
    "required": True,
    "description": "Any date.",
    "schema": {"type": "string", "format": "date", "examples": list(API_VERSIONS)},
}
_CONDITIONS: list[Json] = [
    {"name": name, "in": "header", "required": False, "description": words, "schema": {"type": "string"}}
    for name, words in (
        ("If-Match", "An ETag that it must still have, or * for that it must be there."),
        ("If-None-Match", "* for that it must not be there yet."),
    )
]
_WORDS = (
    "Azure-style VM Scale Sets on one's own hypervisors, in the dialect of Azure's Resource Manager. "
    "Paths and names of members are read in any case."
)
_A_NAME = re.compile(r"\{\w+\}")
_LOGINS = frozenset({login.__name__, managed.__name__})


def make_document(routes: Sequence[APIRoute], kinds: Kinds, *, version: str) -> Json:
    """OpenAPI 3.1, as JSON."""
    words = [word for kind in kinds for word in kind.type.split("/")]
    of_kinds = {kind.type: model for kind in kinds if (model := model_of(kind))}
    schemas, names = all_schemas([*MODELS, *of_kinds.values()], OWN_SCHEMAS)
    by_type = {kind: names[model] for kind, model in of_kinds.items()}
    paths: Json = {}
    same: dict[str, str] = {}  # a path may be served by two routes, with other names for its parts
    for entry in entries_of(routes, kinds):
        path = same.setdefault(_A_NAME.sub("{}", entry.path), spelled(entry.path, words))
        paths.setdefault(path, {}).setdefault(entry.method, _operation(entry, path, by_type))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vmss",
            "version": version,
            "description": _WORDS,
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": RESPONSES,
            "schemas": {**ANSWER_SCHEMAS, **schemas},
        },
    }


def _operation(entry: Entry, path: str, by_type: Mapping[str, str]) -> Json:
    made: Json = {
        "operationId": _operation_id(entry.method, path),
        "summary": _summary(entry.endpoint),
        "parameters": [*_path_parameters(path), *_query_parameters(entry), *_conditions(entry)],
        "responses": _answers(entry),
    }
    if body := _body(entry, by_type):
        made["requestBody"] = body
    return made | ({"security": []} if is_open(entry.path) else {})


def _answers(entry: Entry) -> Json:
    if entry.endpoint.__module__ in _LOGINS:
        return login_answers()
    route, is_conditional = key_of(entry.endpoint), bool(_conditions(entry))
    return answers(entry.method, route, is_open=is_open(entry.path), is_conditional=is_conditional)


def _body(entry: Entry, by_type: Mapping[str, str]) -> Json | None:
    if form := form_of(entry.endpoint):
        return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}}
    is_needed = bool({read_body, read_deployment} & entry.depends_on)
    if not is_needed and read_optional_body not in entry.depends_on:
        return None
    kind = entry.resource.type if entry.resource else ""
    name = body_name(entry.endpoint) or by_type.get(kind) or "Generic"
    return {"required": is_needed, "content": {"application/json": {"schema": ref(name)}}}


def _conditions(entry: Entry) -> list[Json]:
    is_writing = entry.method in {"put", "patch", "delete"}
    is_asked = is_writing and check_preconditions.__name__ in entry.endpoint.__code__.co_names
    return _CONDITIONS if is_asked else []


def _operation_id(method: str, path: str) -> str:
    parts = [part.strip("{}") for part in path.split("/") if part]
    return "_".join([method, *(part.replace(".", "") for part in parts)])


def _summary(endpoint: Callable[..., Any]) -> str:
    words = inspect.getdoc(endpoint) or f"{endpoint.__name__.replace('_', ' ').capitalize()}."
    return words.partition("\n\n")[0].replace("\n", " ").replace("``", "")


def _path_parameters(path: str) -> Iterable[Json]:
    for name in parameters_of(path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(entry: Entry) -> Iterable[Json]:
    if entry.path.startswith(("/subscriptions", "/providers")):
        yield _VERSION
    for each in taken_by(entry.endpoint):
        yield {
            "name": each.name,
            "in": "query",
            "required": False,
            "description": each.words,
            "schema": each.schema,
        }
