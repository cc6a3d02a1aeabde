"""The settings of the CustomScript extension for Linux, 2.0 and 2.1 (reference 4.9). No I/O.

Its settings may be public or protected, but each in one place only. What needs Azure's own storage or
identities (``storageAccountName``, ``storageAccountKey``, ``managedIdentity``) is refused: there is none here.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from orchestrator.errors import BadInput, ErrorDetail, NotPossible
from orchestrator.model.arm.problems import raise_problems
from orchestrator.model.extension_settings import SettingsReader

PUBLISHER = "Microsoft.Azure.Extensions"
TYPE = "CustomScript"
SCRIPT_MAX_BYTES = 256 * 1024

VERSIONS = ("2.0", "2.1")
_EITHER = frozenset({"commandToExecute", "script", "fileUris"})
_PUBLIC = _EITHER | {"skipDos2Unix", "timestamp"}
_AZURE_ONLY = frozenset({"storageAccountName", "storageAccountKey", "managedIdentity"})
_INT64 = 2**63
_FILES_MAX = 100
_URI_MAX = 8192
_URI = re.compile(r"[!#-;=?-\[\]_a-z~%]+")  # RFC 3986's characters
_FILE_NAME_MAX_BYTES = 255
_OUTPUT_FILES = ("stdout", "stderr")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CustomScript:
    """What to fetch and run. Exactly one of ``command`` and ``script`` is set; neither is ever shown.

    ``timestamp`` is there to be changed: a new value makes a new sequence number, so the script runs again.
    """

    command: str | None = field(default=None, repr=False)
    script: bytes | None = field(default=None, repr=False)
    file_uris: tuple[str, ...] = field(default=(), repr=False)
    skip_dos2unix: bool = False
    timestamp: int | None = None


def parse_custom_script(
    settings: Mapping[str, Any] | None,
    protected: Mapping[str, Any] | None,
    type_handler_version: str,
    target: str,
) -> CustomScript:
    """Read the extension's settings. ``target`` is the path of the extension's ``properties``.

    Raises ``BadInput`` that names every offending member at once, or ``NotPossible`` when all that is wrong
    is a wish for Azure's storage or identities."""
    problems: list[ErrorDetail] = []
    if type_handler_version not in VERSIONS:
        path = f"{target}.typeHandlerVersion"
        problems.append(ErrorDetail(BadInput.code, f"{path} must be one of {', '.join(VERSIONS)}.", path))
    public = SettingsReader(settings, f"{target}.settings", problems)
    secret = SettingsReader(protected, f"{target}.protectedSettings", problems)
    public.refuse_unknown(_PUBLIC | _AZURE_ONLY)
    secret.refuse_unknown(_EITHER | _AZURE_ONLY)
    _refuse_azure_only(public, secret)
    command = _in_one_place("commandToExecute", public, secret, _read_command)
    script = _in_one_place("script", public, secret, _read_script)
    _demand_one_of_two(public, secret)
    parsed = CustomScript(
        command=command,
        script=script,
        file_uris=_in_one_place("fileUris", public, secret, _read_file_uris) or (),
        skip_dos2unix=public.flag("skipDos2Unix") or False,
        timestamp=public.whole("timestamp", -_INT64, _INT64 - 1),
    )
    raise_problems(problems)
    return parsed


def file_name_of(uri: str) -> str:
    """The name under which a file is kept in the guest: the last segment of the URI's path, decoded.

    Raises ``ValueError`` with the rest of a sentence when the URI gives none or must not be fetched."""
    if len(uri) > _URI_MAX or not _URI.fullmatch(uri):
        raise ValueError(f"must have at most {_URI_MAX} characters, those that a URI can hold")
    try:
        parts = urlsplit(uri)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError("is not a URI") from None
    if parts.scheme not in ("http", "https") or not has_host:
        raise ValueError("must be an http:// or https:// URI")
    if parts.username is not None:
        raise ValueError("must not carry a user name or password before the host")
    try:
        return _checked_file_name(unquote(parts.path.rpartition("/")[2], errors="strict"))
    except UnicodeDecodeError:
        raise ValueError("must end in a file name that is UTF-8") from None


def _checked_file_name(name: str) -> str:
    if not name or name in (".", ".."):
        raise ValueError("must end in a file name")
    if "/" in name or not name.isprintable() or name.startswith("-"):
        raise ValueError("must end in a file name without slashes, control characters or a leading '-'")
    if len(name.encode()) > _FILE_NAME_MAX_BYTES:
        raise ValueError(f"must end in a file name of at most {_FILE_NAME_MAX_BYTES} bytes")
    if name in _OUTPUT_FILES:
        raise ValueError("must not end in stdout or stderr: the script's output is kept under these names")
    return name


def _refuse_azure_only(*readers: SettingsReader) -> None:
    for reader in readers:
        for name in sorted(_AZURE_ONLY):
            if reader.has(name):
                sentence = "cannot be used: there is no Azure storage or identity here; give plain http(s) fileUris"
                reader.offend(name, sentence, NotPossible.code)


def _in_one_place(
    name: str, public: SettingsReader, secret: SettingsReader, read: Callable[[SettingsReader], T | None]
) -> T | None:
    if public.has(name) and secret.has(name):
        public.offend(name, "is also in protectedSettings: it may be in one place only")
    return read(secret if secret.has(name) else public)


def _demand_one_of_two(public: SettingsReader, secret: SettingsReader) -> None:
    has_command = public.has("commandToExecute") or secret.has("commandToExecute")
    has_script = public.has("script") or secret.has("script")
    if has_command and has_script:
        public.offend("script", "cannot stand beside commandToExecute: exactly one of them is run")
    if not has_command and not has_script:
        public.offend("commandToExecute", "is required, or script, here or in protectedSettings")


def _read_command(reader: SettingsReader) -> str | None:
    command = reader.text("commandToExecute")
    if command is not None and not command.strip():
        reader.offend("commandToExecute", "must not be empty")
    if command and len(command.encode()) > SCRIPT_MAX_BYTES:
        reader.offend("commandToExecute", f"must have at most {SCRIPT_MAX_BYTES} bytes")
    return command


def _read_script(reader: SettingsReader) -> bytes | None:
    text = reader.text("script")
    if text is None:
        return None
    try:
        script = _decoded(text)
    except ValueError as error:
        reader.offend("script", str(error))
        return None
    if not script.strip():
        reader.offend("script", "must not be empty")
    return script


def _decoded(text: str) -> bytes:
    """Base64, then gzip if it looks like it. Never unpacks more than the limit."""
    limit = f"must have at most {SCRIPT_MAX_BYTES} bytes when decoded"
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64, of the script or of the script in gzip") from None
    if raw.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            raw = unpacker.decompress(raw, SCRIPT_MAX_BYTES + 1)
        except zlib.error:
            raise ValueError("begins as gzip does but is damaged") from None
        if len(raw) <= SCRIPT_MAX_BYTES and not unpacker.eof:
            raise ValueError("begins as gzip does but is cut short")
    if len(raw) > SCRIPT_MAX_BYTES:
        raise ValueError(limit)
    return raw


def _read_file_uris(reader: SettingsReader) -> tuple[str, ...]:
    uris = reader.texts("fileUris")
    if len(uris) > _FILES_MAX:
        reader.offend("fileUris", f"must have at most {_FILES_MAX} members")
    names: set[str] = set()
    for index, uri in enumerate(uris):
        try:
            name = file_name_of(uri)
        except ValueError as error:
            reader.offend(f"fileUris[{index}]", str(error))
            continue
        if name in names:
            reader.offend(f"fileUris[{index}]", "ends in the same file name as an earlier one")
        names.add(name)
    return uris
