"""The Guest port: reaching into one guest over SSH, and asking its health from inside or outside.

Adapters: ``guest.ssh`` (paramiko) and ``hosts.simulated`` (the same facts, on virtual time).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from orchestrator.model.custom_script import CustomScript
from orchestrator.model.health import ProbeResult, ProbeSettings


@dataclass(frozen=True, slots=True)
class GuestAddress:
    """Where a guest is and which host key it must show. ``key`` tells connections apart in the cache."""

    key: str
    address: str
    login_user: str
    host_key_public: str
    vm_uuid: str


TIME_LIMIT_WORDS = "It was stopped at its time limit"
Area = Literal["custom-script", "run-command"]


@dataclass(frozen=True, slots=True)
class ScriptKey:
    """Which script: its area in the guest, its name there, and the number of its configuration."""

    name: str
    sequence: int
    area: Area = "custom-script"


@dataclass(frozen=True, slots=True)
class ScriptRequest:
    """One run of the CustomScript extension (reference 4.9) or of a run command (3.1), told apart by ``area``.
    ``sequence`` is the number of its configuration, ``run`` a token of the run: a request with another token than
    the last one of this name and number ends what is there and runs anew. Without tokens it runs once for all.

    Exactly one of ``command`` and ``script`` is set. Secrets travel on the SSH channel's standard input
    only: never in an argument, an environment variable or a file that outlives the run; nor are they shown by
    ``repr``. ``timeout_s`` bounds fetching and running together. Windows line ends of ``script`` and of
    fetched scripts are mended unless ``skip_dos2unix``. ``preamble`` is shell put before the script as it is;
    with ``is_file_appended`` the one fetched file is put after it. ``user`` of ``None`` is root.
    """

    name: str
    sequence: int
    file_uris: tuple[str, ...] = field(default=(), repr=False)
    command: str | None = field(default=None, repr=False)
    script: bytes | None = field(default=None, repr=False)
    timeout_s: float = 5400.0
    skip_dos2unix: bool = False
    area: Area = "custom-script"
    run: str = ""
    user: str | None = None
    preamble: bytes = field(default=b"", repr=False)
    is_file_appended: bool = False

    @classmethod
    def of(cls, script: CustomScript, name: str, sequence: int, timeout_s: float) -> ScriptRequest:
        """The run that the extension of this name asks for with these settings."""
        return cls(name, sequence, script.file_uris, script.command, script.script, timeout_s, script.skip_dos2unix)


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """``exit_code`` is ``None`` when the command gave none: it was stopped at its time limit, a file could not
    be fetched, or the guest restarted while it ran; ``message`` says which. Tails are the last 4 KiB each."""

    exit_code: int | None
    stdout_tail: str
    stderr_tail: str
    message: str = ""
    was_run_before: bool = False

    @property
    def is_success(self) -> bool:
        return self.exit_code == 0

    @property
    def is_late(self) -> bool:
        """Whether it was stopped at its time limit."""
        return self.exit_code is None and self.message.startswith(TIME_LIMIT_WORDS)


class Guests(Protocol):
    """Reaching into guests. Every call has a deadline and raises ``GuestUnreachable`` or ``HostKeyMismatch``."""

    async def is_answering(self, guest: GuestAddress) -> bool:
        """Whether its SSH server shows its banner: the operating system is up. Never raises for silence."""

    async def run_script(self, guest: GuestAddress, request: ScriptRequest) -> ScriptResult:
        """Fetch the files in the guest, run the command there as root, report code and tails.

        Runs once per (name, sequence): a second call finds the recorded result and returns it, and a call
        while an earlier one still runs (the daemon died) waits for that one."""

    async def stop_script(self, guest: GuestAddress, script: ScriptKey, reason: str) -> ScriptResult:
        """End what runs of it in the guest, its whole process group, and give what is known of it then: a result
        that it had already, or one without exit code whose message is ``reason`` (one line)."""

    async def probe(
        self, guest: GuestAddress, settings: ProbeSettings, source: Literal["inside", "outside"]
    ) -> ProbeResult:
        """Ask once. ``inside`` goes through an SSH channel to the guest's own localhost; ``outside`` goes
        over the network to its address. No answer is a result, not an error."""

    async def is_busy(self, guest: GuestAddress, settings: ProbeSettings) -> bool:
        """Whether it answers over the network, with status 200, that it is to be left alone. Silence is no."""

    async def forget(self, key: str) -> None:
        """Close what is kept open to this guest (it is gone, or its disk was replaced)."""

    async def close(self) -> None: ...
