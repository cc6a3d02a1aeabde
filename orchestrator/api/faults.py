"""Errors as answers: the Resource Manager envelope for everything, whoever raised it (reference 3.4)."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from orchestrator.api.openapi.methods import methods_here
from orchestrator.api.requests import BodyTooLarge, UnsupportedMedia
from orchestrator.errors import (
    BadInput,
    Conflict,
    ErrorDetail,
    Forbidden,
    GuestError,
    HostError,
    ImageError,
    NotFound,
    NotPossible,
    PreconditionFailed,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    VmssError,
)
from orchestrator.model.arm.statuses import Json

# The first that fits. A host that does not answer is not a fault of the server that asked: 502, which clients
# do not take for a definite answer.
_STATUS: tuple[tuple[type[VmssError], int], ...] = (
    (Unauthenticated, 401),
    (Forbidden, 403),
    (TooManyRequests, 429),
    (BodyTooLarge, 413),
    (UnsupportedMedia, 415),
    (NotPossible, 409),
    (BadInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (PreconditionFailed, 412),
    (ImageError, 409),
    (HostError, 502),
    (GuestError, 502),
    (StoreUnavailable, 503),
)
_HTTP_CODES = {404: "NotFound", 405: "MethodNotAllowed", 413: "RequestEntityTooLarge", 422: "InvalidRequestContent"}


def envelope(error: VmssError) -> Json:
    """``{"error": {...}}`` with the members that have a value."""
    inner: Json = {"code": error.code, "message": error.message}
    if error.target:
        inner["target"] = error.target
    if error.details:
        inner["details"] = [_detail(detail) for detail in error.details]
    return {"error": inner}


def _detail(detail: ErrorDetail) -> Json:
    made: Json = {"code": detail.code, "message": detail.message}
    return made | ({"target": detail.target} if detail.target else {})


def status_of(error: VmssError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def answer(error: VmssError) -> JSONResponse:
    return JSONResponse(envelope(error), status_of(error))


def _by_another_method(request: Request) -> Response:
    """405 with the methods that there are; to ``OPTIONS`` they are the answer."""
    headers = {"Allow": ", ".join(methods_here(request))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    words = f"{request.method} is not possible at {request.url.path}: only {headers['Allow']}."
    return JSONResponse({"error": {"code": _HTTP_CODES[405], "message": words}}, 405, headers)


def install_handlers(app: FastAPI) -> None:
    """Every error of every layer leaves in the envelope."""

    @app.exception_handler(VmssError)
    async def _known(_request: Request, error: VmssError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = _HTTP_CODES.get(error.status_code, "BadRequest")
        words = str(error.detail)
        if error.status_code == 404:
            words = f"There is nothing at {request.url.path}."
        elif error.status_code == 405:
            return _by_another_method(request)
        headers = dict(error.headers) if error.headers else None
        return JSONResponse({"error": {"code": code, "message": words}}, error.status_code, headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        words = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return JSONResponse({"error": {"code": "InvalidRequestContent", "message": words}}, 400)
