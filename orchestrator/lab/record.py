"""What a lab is to be, written down before anything of it is made, and the faults in force."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.errors import LabError
from orchestrator.lab.layout import IMAGES_FOLDER

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in force. ``target`` is a guest's UUID for faults of guests, else ``None``."""

    kind: str
    host: str
    detail: str
    since: float  # seconds since the epoch
    target: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Two faults of one key are one fault: making it again replaces it."""
        return (self.kind, self.host, self.target)


@dataclass(frozen=True, slots=True)
class LabRecord:
    """The lab as wanted. Everything made can be named from it; sizes in the units of their names."""

    name: str
    hosts: int = 3
    zones: int = 1
    pool_gib: int = 8
    memory_mib: int = 4096  # what vmss may promise to guests on each host
    vcpus: int = 16  # likewise
    images_dir: str = str(IMAGES_FOLDER)
    listen: str | None = None
    https: str | None = None
    faults: tuple[Fault, ...] = ()

    def with_fault(self, fault: Fault) -> LabRecord:
        others = tuple(each for each in self.faults if each.key != fault.key)
        return replace(self, faults=(*others, fault))

    def without_fault(self, fault: Fault) -> LabRecord:
        return replace(self, faults=tuple(each for each in self.faults if each.key != fault.key))


def load(path: Path) -> LabRecord | None:
    """Read a record; ``None`` when there is none. A damaged one raises ``LabError``."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise LabError(f"the lab's record {path} may not be read: the lab needs root (try it with sudo)") from error
    try:
        return _parse(json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(f"the lab's record {path} is damaged ({error}): take the lab down, then up") from error


def save(path: Path, record: LabRecord) -> None:
    """Write a record whole or not at all, and on the disk before this returns."""
    write_atomically(path, json.dumps({"version": _VERSION, **asdict(record)}, indent=2) + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's contents in one step, mode 0600."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _parse(data: dict[str, Any]) -> LabRecord:
    if data.pop("version") != _VERSION:
        raise ValueError("of another version")
    faults = tuple(Fault(**each) for each in data.pop("faults"))
    return LabRecord(**data, faults=faults)
