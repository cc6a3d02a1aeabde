"""customData: what a user gives every guest of a set. Reading it, and joining it with our own cloud-config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from orchestrator.errors import BadInput

#: Azure's limit, decoded (reference 1, osProfile).
MAX_CUSTOM_DATA_BYTES = 65_535

_CLOUD_CONFIG = b"#cloud-config"

#: Lists that both sides may fill: ours come first.
_JOINED = ("users", "write_files", "runcmd", "bootcmd", "ssh_authorized_keys")

#: What the daemon needs to reach the guest and to know it: the user's word does not count here.
_OURS = ("hostname", "fqdn", "preserve_hostname", "disable_root", "ssh_keys", "ssh_deletekeys", "random_seed")


#: libyaml's own where PyYAML was built with it: a tenth of the time.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def load_yaml(text: str) -> Any:
    """Read YAML without any of Python's own types."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 # both are safe loaders


def dump_yaml(value: object, *, is_inline: bool = False) -> str:
    """Write YAML. Inline, it fits behind a key on one line: every text quoted, every odd character escaped."""
    if is_inline:
        dumped = yaml.dump(value, Dumper=_DUMPER, default_flow_style=True, default_style='"', width=1_000_000)
        return dumped.rstrip("\n")
    return yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True, slots=True)
class CustomData:
    """``cloud_config`` is set for ``#cloud-config``; ``is_script`` for ``#!``; else it is opaque."""

    raw: bytes | None
    cloud_config: Mapping[str, Any] | None = None
    is_script: bool = False


def read_custom_data(raw: bytes | None) -> CustomData:
    """Tell its kind. Raises ``BadInput`` when it is too long, or says ``#cloud-config`` and is no YAML mapping."""
    if raw is None or raw == b"":
        return CustomData(None)
    if len(raw) > MAX_CUSTOM_DATA_BYTES:
        raise BadInput(f"customData is {len(raw)} bytes long; at most {MAX_CUSTOM_DATA_BYTES} are allowed.")
    first_line = raw.split(b"\n", 1)[0].rstrip()
    if first_line != _CLOUD_CONFIG:
        return CustomData(raw, is_script=raw.startswith(b"#!"))
    try:
        parsed = load_yaml(raw.decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise BadInput(f"customData says it is #cloud-config and is not YAML: {reason}.") from error
    if parsed is None:
        parsed = {}
    if not isinstance(parsed, dict) or not all(isinstance(key, str) for key in parsed):
        raise BadInput("customData says it is #cloud-config and is not a mapping of names to values.")
    for name in _JOINED:
        if not isinstance(parsed.get(name, []), list):
            raise BadInput(f"customData: '{name}' of a #cloud-config is a list.")
    return CustomData(raw, cloud_config=parsed)


def merge_cloud_config(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """One cloud-config of both: lists joined, theirs before our defaults, ours where the daemon depends on it."""
    merged: dict[str, Any] = {**ours, **theirs}
    for name in _JOINED:
        if name in ours or name in theirs:
            merged[name] = [*(ours.get(name) or []), *(theirs.get(name) or [])]
    for name in _OURS:
        merged.pop(name, None)
        if name in ours:
            merged[name] = ours[name]
    return merged
