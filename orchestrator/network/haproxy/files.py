"""The files that HAProxy reads: all in one folder, written whole, and the keys among them for their owner alone.

What is named by its digest never changes, so a process that runs is not disturbed when another one is tried."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.errors import BadInput
from orchestrator.model.network.traffic import BackendTls, Tls, Traffic

_SUFFIXES = (".pem", ".list")


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def write_tls(folder: Path, traffic: Traffic) -> None:
    """The certificates and lists of them that are not there yet."""
    for name, text in tls_files(traffic).items():
        if not (folder / name).exists():
            write_whole(folder / name, text)


def drop_stale_tls(folder: Path, traffic: Traffic) -> None:
    """Those that nothing refers to any more: a running process has read its own."""
    kept = tls_files(traffic)
    for path in folder.iterdir():
        if path.suffix in _SUFFIXES and path.name not in kept:
            path.unlink(missing_ok=True)


def tls_files(traffic: Traffic) -> Mapping[str, str]:
    """Each file's text by its name."""
    return dict(_files(traffic))


def _files(traffic: Traffic) -> Iterator[tuple[str, str]]:
    for tls in (each.tls for each in traffic.listeners if each.tls):
        yield list_name(tls), _list(tls)
        for each in (*tls.certificates, *((tls.default,) if tls.default else ())):
            yield f"{each.digest}.pem", each.pem
    for backend in traffic.backends:
        if backend.tls and backend.tls.roots:
            yield roots_name(backend.tls), "".join(backend.tls.roots)


def list_name(tls: Tls) -> str:
    """Of the list of a listener's certificates."""
    return f"{_digest(_list(tls))}.list"


def roots_name(tls: BackendTls) -> str:
    """Of the file of those that vouch for members."""
    return f"{_digest(''.join(tls.roots))}.roots.pem"


def _list(tls: Tls) -> str:
    """In the format of ``crt-list``: the first is the default, and ``!*`` keeps it from being more than that
    (configuration manual 5.1)."""
    lines = [f"{tls.default.digest}.pem !*"] if tls.default else []
    lines += [f"{each.digest}.pem {' '.join(_checked(host) for host in each.hosts)}" for each in tls.certificates]
    return "".join(f"{line}\n" for line in lines)


def _checked(host: str) -> str:
    plain = host.removeprefix("*.")
    if not plain or not all(each.isascii() and (each.isalnum() or each in ".-") for each in plain):
        raise BadInput(f"'{host[:100]}' cannot be named before a TLS handshake.", target=host[:100])
    return host.lower()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
