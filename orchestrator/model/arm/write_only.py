"""Write-only members are kept apart from the model: sealed at rest, never shown."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

_PROFILE = ("properties", "virtualMachineProfile")
_CUSTOM_DATA = (*_PROFILE, "osProfile", "customData")
_PROTECTED = "protectedSettings"


def custom_data_path() -> str:
    return ".".join(_CUSTOM_DATA)


def protected_settings_path(extension: str) -> str:
    """Under which the secrets of an extension are kept: by its name, since its place may change."""
    return ".".join((*_PROFILE, "extensionProfile", f"extensions[{extension.lower()}]", _PROTECTED))


def split_secrets(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The canonical body without its write-only members, and those by their path."""
    public = copy.deepcopy(dict(body))
    secrets: dict[str, Any] = {}
    for path, parent, member in _places(public):
        if member in parent:
            secrets[path] = parent.pop(member)
    return public, secrets


def join_secrets(public: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """The whole body again. A secret whose place is gone is left out."""
    body = copy.deepcopy(dict(public))
    for path, parent, member in _places(body):
        if path in secrets:
            parent[member] = copy.deepcopy(secrets[path])
    return body


def _places(body: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Where write-only members may be: their path, the object that holds them, their name."""
    profile = _walk(body, _PROFILE)
    if isinstance(os_profile := profile.get("osProfile"), dict):
        yield custom_data_path(), os_profile, _CUSTOM_DATA[-1]
    for extension in _walk(profile, ("extensionProfile",)).get("extensions", []):
        yield protected_settings_path(extension["name"]), extension["properties"], _PROTECTED


def _walk(parent: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    for name in path:
        parent = parent.get(name) or {}
    return parent
