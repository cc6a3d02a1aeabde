"""What a request may be answered: statuses, the envelope of every error, headers that lead on."""

from __future__ import annotations

from typing import Any

from orchestrator.api.openapi.schemas import ref

Json = dict[str, Any]
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "minLength": 1},
                "message": {"type": "string", "minLength": 1},
                "target": {"type": "string"},
                "details": {"type": "array", "items": ref("ErrorDetail")},
            },
        }
    },
}
_DETAIL = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "target": {"type": "string"},
        "details": {"type": "array", "items": ref("ErrorDetail")},
    },
}
_OAUTH = {
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}
ANSWER_SCHEMAS: Json = {"Error": _ERROR, "ErrorDetail": _DETAIL, "LoginError": _OAUTH}
_WORDS = {
    "400": "The request is wrong; nothing was changed.",
    "401": "No token, or one that is not taken. WWW-Authenticate says what to ask for.",
    "403": "The caller's role does not allow it.",
    "404": "It is not there.",
    "405": "Not by this method; Allow says by which.",
    "409": "Not in this state.",
    "412": "If-Match or If-None-Match does not hold.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "429": "Too many requests; Retry-After says when to come back, in seconds.",
    "502": "A host or a guest did not answer.",
    "503": "The daemon's store takes no writes now.",
}
RESPONSES: Json = {
    f"Error{status}": {"description": words, "content": {"application/json": {"schema": ref("Error")}}}
    for status, words in _WORDS.items()
}
_LINK = {"schema": {"type": "string", "format": "uri"}}
_PACE = {"description": "Whole seconds.", "schema": {"type": "integer", "minimum": 1}}
_ETAG = {"ETag": {"schema": {"type": "string"}}}
_BEGUN = {"Azure-AsyncOperation": _LINK, "Retry-After": _PACE}
_ACCEPTED: Json = {
    "description": "It has begun; the headers say where it is told how it goes.",
    "headers": {**_BEGUN, "Location": _LINK},
}
_READING = ("400", "401", "403", "404", "405", "409", "429", "502", "503")
_JSON: Json = {"application/json": {"schema": {}}}
# Not JSON, or with a body only when an operation came to something.
_OTHER_CONTENT: dict[str, Json] = {
    "compute_instances.get_console": {"content": {"text/plain": {"schema": {"type": "string"}}}},
    "operations.get_operation": {},
    "operations.get_operation_result": {},
}


def _done(method: str) -> Json:
    shown: Json = {"description": "As it is now.", "headers": _ETAG, "content": _JSON}
    written = {**shown, "headers": {**_ETAG, **_BEGUN}}
    gone: Json = {"description": "It was not there, or is gone."}
    match method:
        case "get":
            return {"200": shown, "202": _ACCEPTED}
        case "head":
            return {"204": {"description": "It is there."}}
        case "put":
            return {"200": written, "201": {**written, "description": "It is new."}}
        case "patch":
            return {"200": written}
        case "delete":
            return {"200": {"description": "It is gone."}, "202": _ACCEPTED, "204": gone}
        case _:
            return {"200": {"description": "It is done; what it came to, if anything."}, "202": _ACCEPTED}


def answers(method: str, route: str, *, is_open: bool, is_conditional: bool) -> Json:
    """By status. ``route`` is the module and name of its function; ``is_open``: it needs no token;
    ``is_conditional``: it goes by If-Match."""
    done = _done(method)
    if route in _OTHER_CONTENT:
        done["200"] = {"description": done["200"]["description"], **_OTHER_CONTENT[route]}
    if method == "head":
        refused: Json = {status: {"description": _WORDS[status]} for status in _READING}
        return done | refused
    statuses = [*_READING]
    if method in {"put", "patch", "post"}:
        statuses += ["413", "415"]
    if is_conditional:
        statuses.append("412")
    if is_open:
        statuses.remove("403")
    return done | {status: {"$ref": f"#/components/responses/Error{status}"} for status in sorted(statuses)}


def login_answers() -> Json:
    """Of the requests for tokens, whose errors are OAuth's (RFC 6749 5.2) once they come that far."""
    either: Json = {"application/json": {"schema": {"anyOf": [ref("LoginError"), ref("Error")]}}}
    refused = {
        status: {"description": _WORDS[status], "content": either} for status in ("400", "401", "403", "404")
    }
    return {"200": {"description": "What was asked for.", "content": _JSON}, **refused}
