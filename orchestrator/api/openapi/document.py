"""The document: every route with its parameters, body and answers, and every type that the general routes serve."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi.routing import APIRoute

from orchestrator.api.identity.roles import is_open
from orchestrator.api.kinds import API_VERSIONS, Kind, Kinds
from orchestrator.api.openapi.answers import ANSWER_SCHEMAS, RESPONSES, answers, login_answers
from orchestrator.api.openapi.bodies import MODELS, OWN_SCHEMAS, body_name, body_of_type, form_of, key_of
from orchestrator.api.openapi.schemas import all_schemas, ref
from orchestrator.api.openapi.spelling import parameters_of, spelled
from orchestrator.api.queries import taken_by
from orchestrator.api.requests import read_body, read_optional_body
from orchestrator.api.set_writes import check_preconditions

Json = dict[str, Any]
_GENERAL = "/{namespace}/{rest:path}"
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
_A_NAME = re.compile(r"\\\{\w+\\\}")  # as re.escape leaves it
_TEXTS = frozenset({"compute_instances.get_console"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One method at one path, as it stands in the document. ``path`` is the route's, in small letters; ``resource``
    is the type that a general route is shown for."""

    path: str
    method: str
    endpoint: Callable[..., Any]
    depends_on: frozenset[Any]
    resource: Kind | None = None


def make_document(routes: Sequence[APIRoute], kinds: Kinds, *, version: str) -> Json:
    """OpenAPI 3.1, as JSON."""
    words = [word for kind in kinds for word in kind.type.split("/")]
    paths: Json = {}
    for entry in _entries(routes, list(kinds)):
        path = spelled(entry.path, words)
        paths.setdefault(path, {}).setdefault(entry.method, _operation(entry, path))
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
            "schemas": {**ANSWER_SCHEMAS, **all_schemas(MODELS, OWN_SCHEMAS)},
        },
    }


def _entries(routes: Sequence[APIRoute], kinds: list[Kind]) -> Iterator[Entry]:
    """The first route that serves a path is the one that is shown, as it is the one that answers."""
    general: list[APIRoute] = []
    for route in routes:
        if _GENERAL in route.path:
            general.append(route)
        else:
            yield from _of_route(route, route.path)
    for kind in kinds:
        for route in general:
            for path in _paths_of_type(route.path, kind.type):
                yield from (replace(each, resource=kind) for each in _of_route(route, path) if _fits(each))


def methods_at(path: str, routes: Sequence[APIRoute], kinds: Kinds) -> list[str]:
    """Which methods a canonical path has, whoever serves them; none for a path that nothing serves."""
    found = {
        entry.method.upper()
        for entry in _entries(routes, list(kinds))
        if re.fullmatch(_A_NAME.sub("[^/]+", re.escape(entry.path)), path)
    }
    return sorted(found)


def _of_route(route: APIRoute, path: str) -> Iterator[Entry]:
    calls = frozenset(_calls(route.dependant))
    for method in sorted(route.methods or ()):
        yield Entry(path, method.lower(), route.endpoint, calls)


def _calls(dependant: Any) -> Iterator[Any]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _paths_of_type(general: str, kind: str) -> Iterator[str]:
    """The address of one, and of the list; of a child type, the list below its parent."""
    namespace, *types = kind.split("/")
    turns = [part for each in types for part in (each.lower(), f"{{{_one_of(each)}Name}}")]
    before, _, after = general.partition(_GENERAL)
    start = f"{before}/{namespace.lower()}/"
    if "{group}" in general:
        yield start + "/".join(turns) + after
    is_listed = not after and ("{group}" in general or len(types) == 1)
    if is_listed:
        yield start + "/".join(turns[:-1])


def _one_of(types: str) -> str:
    for plural, singular in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if types.endswith(plural):
            return types.removesuffix(plural) + singular
    return types


def _fits(entry: Entry) -> bool:
    """A list can be read, and no more; a resource knows no verb that has no route of its own."""
    is_one = entry.path.endswith("}")
    return entry.method != "post" if is_one else entry.method == "get"


def _operation(entry: Entry, path: str) -> Json:
    made: Json = {
        "operationId": _operation_id(entry.method, path),
        "summary": _summary(entry.endpoint),
        "parameters": [*_path_parameters(path), *_query_parameters(entry), *_conditions(entry)],
        "responses": _answers(entry),
    }
    if body := _body(entry):
        made["requestBody"] = body
    return made | ({"security": []} if is_open(entry.path) else {})


def _answers(entry: Entry) -> Json:
    if form_of(entry.endpoint):
        return login_answers()
    return answers(
        entry.method,
        is_open=is_open(entry.path),
        is_text=key_of(entry.endpoint) in _TEXTS,
        is_conditional=bool(_conditions(entry)),
    )


def _body(entry: Entry) -> Json | None:
    """Raises ``KeyError`` for a route that reads a body of which nothing is known: see bodies.py."""
    if form := form_of(entry.endpoint):
        return {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}}
    is_needed = read_body in entry.depends_on
    if not is_needed and read_optional_body not in entry.depends_on:
        return None
    name = body_of_type(entry.resource, entry.method) if entry.resource else body_name(entry.endpoint)
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
