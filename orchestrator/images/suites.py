"""Where packages come from: the machine's own apt sources, so that its mirrors and proxies are used.

apt itself is asked (``apt-get indextargets``), so every format of sources is understood. No mirror is named
here: where the machine has none for a suite, mmdebstrap's own default is used.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ImageError

_FORMAT = "$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(ORIGIN)|$(LABEL)|$(COMPONENT)"
_DISTRIBUTIONS = {"debian": "Debian", "ubuntu": "Ubuntu"}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True)
class AptTarget:
    """One package index that this machine's apt knows."""

    uri: str
    release: str
    codename: str
    origin: str
    label: str
    component: str


@dataclass(frozen=True, slots=True)
class Suite:
    """A release to build from. ``lines`` are one-line sources; empty means mmdebstrap's default mirror."""

    distribution: str
    name: str
    lines: tuple[str, ...]
    apt_options: tuple[str, ...] = ()


def parse_targets(text: str) -> list[AptTarget]:
    """Read ``apt-get indextargets`` in our format."""
    rows = [line.split("|") for line in text.splitlines()]
    return [AptTarget(*row) for row in rows if len(row) == 6]


def choose_suite(wanted: str, os_release: dict[str, str], targets: list[AptTarget]) -> Suite:
    """The sources for ``wanted``: a Debian suite, or ``machine`` for the release this machine runs."""
    machine = os_release.get("ID", "")
    if wanted == "machine":
        if machine not in _DISTRIBUTIONS:
            raise ImageError(
                f"Images are built on Debian or Ubuntu; this machine says it is '{machine or 'unknown'}'."
            )
        distribution, name = machine, os_release.get("VERSION_CODENAME", "")
    else:
        distribution, name = "debian", wanted
    ours = [target for target in targets if target.origin == _DISTRIBUTIONS[distribution]]
    lines = _machine_lines(name, ours) or (_debian_lines(name, ours) if distribution == "debian" else ())
    if distribution == "ubuntu" and not lines:
        raise ImageError(f"apt on this machine has no sources of Ubuntu's '{name}'; run 'apt-get update' first.")
    return Suite(distribution, name, lines)


def _machine_lines(name: str, targets: list[AptTarget]) -> tuple[str, ...]:
    """The machine's own lines of that release with its updates and security; backports are left alone."""
    releases = {name, f"{name}-updates", f"{name}-security"}
    grouped: dict[tuple[str, str], list[str]] = {}
    for target in targets:
        if target.release in releases and target.component not in grouped.setdefault(
            (target.uri, target.release), []
        ):
            grouped[target.uri, target.release].append(target.component)
    if not any(release == name for _, release in grouped):
        return ()
    return tuple(f"deb {uri} {release} {' '.join(parts)}" for (uri, release), parts in grouped.items())


def _debian_lines(name: str, targets: list[AptTarget]) -> tuple[str, ...]:
    """Another Debian release from the mirrors this machine has for its own one."""
    main = next((target.uri for target in targets if target.label == "Debian"), None)
    security = next((target.uri for target in targets if target.label == "Debian-Security"), None)
    if main is None:
        return ()
    lines = [f"deb {main} {name} main", f"deb {main} {name}-updates main"]
    return (*lines, f"deb {security} {name}-security main") if security else tuple(lines)


def machine_suite(wanted: str) -> Suite:
    """``choose_suite`` for this machine; raises ``ImageError`` when what it takes is not there."""
    suite = choose_suite(
        wanted, _os_release(), parse_targets(_run(["apt-get", "indextargets", "--format", _FORMAT]))
    )
    if suite.distribution == "debian" and _os_release().get("ID") != "debian" and not _KEYRING.exists():
        raise ImageError("Debian's archive keys are missing on this machine: install 'debian-archive-keyring'.")
    return Suite(suite.distribution, suite.name, suite.lines, _acquire_options())


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def _acquire_options() -> tuple[str, ...]:
    """Proxies and certificates of the machine's apt, which mmdebstrap would not read by itself."""
    dump = _run(["apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire"]).splitlines()
    return tuple(line for line in dump if line.lower().startswith(("acquire::http::", "acquire::https::")))


def _run(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ImageError(f"'{command[0]}' could not be asked for this machine's sources: {error}") from error
