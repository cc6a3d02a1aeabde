"""The settings of the Application Health extension for Linux, 1.0 (binary) and 2.0 (rich) (reference 4.8). No I/O.

One rule is ours: Azure takes an absent ``protocol`` for "always healthy", which hides the typing error that
it nearly always is; here it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.problems import raise_problems
from orchestrator.model.extension_settings import SettingsReader
from orchestrator.model.health import ProbeSettings

PUBLISHER = "Microsoft.ManagedServices"
TYPE = "ApplicationHealthLinux"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PROTOCOLS = ("tcp", "http", "https")
_INTERVAL_S = (5, 60)
_PROBES = (1, 24)
_GRACE_PERIOD_S = (5, 14_400)
_PROBING_MAX_S = 240
_REQUEST_PATH_MAX = 2048
_REQUEST_PATH = re.compile(r"[!-\"$-~]+")  # visible ASCII without '#': what a request line can hold
VERSIONS = ("1.0", "2.0")
_VERSION = re.compile(r"([12])\.0")


def parse_health_extension(
    settings: Mapping[str, Any] | None,
    protected: Mapping[str, Any] | None,
    type_handler_version: str,
    target: str,
) -> ProbeSettings:
    """What to ask, and how often. ``target`` is the path of the extension's ``properties``.

    Raises ``BadInput`` that names every offending member at once."""
    problems: list[ErrorDetail] = []
    version = _VERSION.fullmatch(type_handler_version)
    if not version:
        path = f"{target}.typeHandlerVersion"
        problems.append(ErrorDetail(BadInput.code, f"{path} must be 1.0 (binary) or 2.0 (rich states).", path))
    is_rich = bool(version and version[1] == "2")
    SettingsReader(protected, f"{target}.protectedSettings", problems).refuse_unknown(())
    parsed = _read(SettingsReader(settings, f"{target}.settings", problems), is_rich)
    raise_problems(problems)
    assert parsed is not None  # otherwise a problem was noted
    return parsed


def _read(reader: SettingsReader, is_rich: bool) -> ProbeSettings | None:
    known = {"protocol", "port", "requestPath", "intervalInSeconds", "numberOfProbes"}
    reader.refuse_unknown(known | {"gracePeriod"} if is_rich else known)
    protocol = _read_protocol(reader)
    port = reader.whole("port", 1, 65_535)
    if port is None and protocol == "tcp" and not reader.has("port"):
        reader.offend("port", "is required for tcp")
    path = _read_path(reader, protocol)
    interval_s, probes = _read_pace(reader)
    grace_s = interval_s * probes
    if is_rich:
        grace_s = reader.whole("gracePeriod", *_GRACE_PERIOD_S) or grace_s
    if protocol is None:
        return None
    return ProbeSettings(
        protocol=protocol,
        port=port or _DEFAULT_PORTS.get(protocol, 0),
        request_path=path,
        interval_s=float(interval_s),
        number_of_probes=probes,
        grace_period_s=float(grace_s),
        is_rich=is_rich,
    )


def _read_protocol(reader: SettingsReader) -> Literal["tcp", "http", "https"] | None:
    if not reader.has("protocol"):
        reader.offend("protocol", "is required: one of tcp, http, https")
        return None
    match reader.text("protocol"):
        case "tcp" | "http" | "https" as protocol:
            return protocol
        case str():
            reader.offend("protocol", f"must be one of {', '.join(_PROTOCOLS)}")
    return None


def _read_path(reader: SettingsReader, protocol: str | None) -> str:
    """The path with its leading slash, which Azure lets people leave out."""
    if protocol == "tcp":
        if reader.has("requestPath"):
            reader.offend("requestPath", "must be left out for tcp")
        return "/"
    path = reader.text("requestPath")
    if path is None:
        if protocol and not reader.has("requestPath"):
            reader.offend("requestPath", f"is required for {protocol}")
        return "/"
    path = "/" + path.removeprefix("/")
    if len(path) > _REQUEST_PATH_MAX or not _REQUEST_PATH.fullmatch(path):
        reader.offend(
            "requestPath",
            f"must have at most {_REQUEST_PATH_MAX} visible ASCII characters and no '#': write others as %XX",
        )
    return path


def _read_pace(reader: SettingsReader) -> tuple[int, int]:
    interval_s = reader.whole("intervalInSeconds", *_INTERVAL_S, default=5) or 5
    probes = reader.whole("numberOfProbes", *_PROBES, default=1) or 1
    if interval_s * probes > _PROBING_MAX_S:
        reader.offend("numberOfProbes", f"times intervalInSeconds must be at most {_PROBING_MAX_S} seconds")
    return interval_s, probes
