"""One HTTP GET over any stream, and what its answer says of an application's health (reference 4.8)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import h11

from orchestrator.guest.channel import ByteStream
from orchestrator.model.custom_metrics import read_custom_metrics
from orchestrator.model.health import Health, ProbeResult, ProbeSettings

USER_AGENT = "ApplicationHealthExtension/1.0"  # Azure's: what an application already knows and lets in
BODY_MAX_BYTES = 65_536
_HEAD_MAX_BYTES = 16_384
_DEFAULT_PORTS = {"http": 80, "https": 443}
_STATES = {state.value: state for state in (Health.HEALTHY, Health.UNHEALTHY)}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """``body`` is read only when it matters; ``None`` when it was longer than the cap."""

    status: int
    body: bytes | None


async def ask(stream: ByteStream, settings: ProbeSettings, host: str) -> HttpAnswer:
    """GET the settings' path; redirects are not followed. The caller sets the deadline and closes the stream.

    Raises ``h11.RemoteProtocolError`` for what is not HTTP, or ends too early."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_MAX_BYTES)
    await stream.write(_request(connection, settings, host))
    status = 0
    body = bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await stream.read())
            case h11.Response(status_code=status):
                if not settings.is_rich:
                    return HttpAnswer(status, b"")
            case h11.Data(data=data):
                body += data
                if len(body) > BODY_MAX_BYTES:
                    return HttpAnswer(status, None)
            case h11.EndOfMessage():
                return HttpAnswer(status, bytes(body))


def judge_answer(settings: ProbeSettings, answer: HttpAnswer) -> ProbeResult:
    """Binary: only status 200 is healthy. Rich: a 2xx status and a body that names the state; else unknown."""
    said = f"HTTP {answer.status}"
    if not settings.is_rich:
        is_healthy = answer.status == 200
        return ProbeResult(Health.HEALTHY if is_healthy else settings.state_without_answer, said)
    if not 200 <= answer.status < 300:
        return ProbeResult(Health.UNKNOWN, said)
    if answer.body is None:
        return ProbeResult(Health.UNKNOWN, f"{said}, but the body is longer than {BODY_MAX_BYTES} bytes")
    body = _json_object(answer.body)
    named = body.get("ApplicationHealthState")
    state = _STATES.get(named) if isinstance(named, str) else None
    if state is None:
        return ProbeResult(Health.UNKNOWN, f"{said}, but the body names no ApplicationHealthState")
    return ProbeResult(state, f"{said}, {state.value}", read_custom_metrics(body))


def _json_object(body: bytes) -> dict[str, Any]:
    """Empty for what is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _request(connection: h11.Connection, settings: ProbeSettings, host: str) -> bytes:
    is_default_port = settings.port == _DEFAULT_PORTS.get(settings.protocol)
    name = f"[{host}]" if ":" in host else host
    headers = [
        ("Host", name if is_default_port else f"{name}:{settings.port}"),
        ("User-Agent", USER_AGENT),
        ("Accept", "*/*"),
        ("Connection", "close"),
    ]
    head = connection.send(h11.Request(method="GET", target=settings.request_path, headers=headers))
    end = connection.send(h11.EndOfMessage())
    return (head or b"") + (end or b"")
