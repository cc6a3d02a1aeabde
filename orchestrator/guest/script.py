"""Running scripts of extensions and run commands in a guest: what is sent to ``runner.sh``, and what it reports.

The request goes over standard input in three parts: the runner itself, lines that say what to do, and the
command's or script's own bytes. Nothing of it is in an argument or in the environment, in the guest or here.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.resources
import math
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.errors import BadInput, GuestError, GuestUnreachable
from orchestrator.guest.channel import ChannelStream
from orchestrator.guest.port import GuestAddress, ScriptKey, ScriptRequest, ScriptResult
from orchestrator.guest.sessions import Session, Sessions
from orchestrator.model.custom_script import file_name_of

_BASE = "/var/lib/waagent"
_END = "#END-OF-RUNNER"
# Reads the runner line by line, since only the shell's own `read` leaves what follows in the pipe.
_BOOTSTRAP = (
    f"umask 077; base={_BASE}/%s; mkdir -p $base/state $base/download || exit 1; line=; "
    f"while IFS= read -r line && [ \"$line\" != '{_END}' ]; do printf '%%s\\n' \"$line\"; done >$base/runner.$$; "
    f"[ \"$line\" = '{_END}' ] && mv -f $base/runner.$$ $base/runner.sh && exec sh $base/runner.sh %s"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_SHEBANG = re.compile(rb"#![ \t]*(?P<interpreter>/[^\s\0]+)[ \t]*(?P<argument>[^\r\n\0]*)")
_BOM = b"\xef\xbb\xbf"
_SHELL = "/bin/sh"
_TAIL_BYTES = 4096
_REPORT_MAX_BYTES = 65_536
_REPORT_MARK = "vmss-report"
_ANSWER_SLACK_S = 60.0
_STOP_WITHIN_S = 60.0
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class ScriptRunner:
    """``download_wait_s`` is the pause before the second try to fetch a file."""

    sessions: Sessions
    download_wait_s: int = 3

    async def run(self, guest: GuestAddress, request: ScriptRequest) -> ScriptResult:
        """See ``guest.port.Guests.run_script``. Raises ``GuestError`` if the guest cannot run anything."""
        payload = _payload(request, self.download_wait_s)
        act = functools.partial(_run_over, command=_BOOTSTRAP % (request.area, "front"), payload=payload)
        try:
            async with asyncio.timeout(request.timeout_s + _ANSWER_SLACK_S):
                return await self.sessions.use(guest, act)
        except TimeoutError:
            raise GuestUnreachable(f"{guest.key}: no word of the script after its time limit") from None

    async def stop(self, guest: GuestAddress, script: ScriptKey, reason: str) -> ScriptResult:
        """See ``guest.port.Guests.stop_script``."""
        _check(script.name, script.sequence)
        payload = f"{_runner()}{_END}\n{script.name}\n{script.sequence}\n{' '.join(reason.split())}\n".encode()
        act = functools.partial(_run_over, command=_BOOTSTRAP % (script.area, "cancel"), payload=payload)
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                return await self.sessions.use(guest, act)
        except TimeoutError:
            raise GuestUnreachable(f"{guest.key}: the script could not be ended in time") from None


async def _run_over(session: Session, command: str, payload: bytes) -> ScriptResult:
    stream = await session.open_command(command)
    try:
        await stream.write(payload)
        await stream.write_eof()
        report = await _read_all(stream)
        await stream.wait_closed()
        return _parse(report)
    except (OSError, ValueError):
        if not session.is_alive:
            raise GuestUnreachable(f"{session.guest.key}: the SSH connection broke while a script ran") from None
        words = stream.error_output()[-_TAIL_BYTES:].decode(errors="replace").strip()
        raise GuestError(f"{session.guest.key}: it could not run a script: {words or 'no report'}") from None
    finally:
        stream.close()


async def _read_all(stream: ChannelStream) -> bytes:
    report = b""
    while len(report) <= _REPORT_MAX_BYTES and (data := await stream.read()):
        report += data
    return report


def _parse(report: bytes) -> ScriptResult:
    """``ValueError`` for anything but a whole report."""
    mark, before, code, message, out_size, err_size, rest = report.split(b"\n", 6)
    sizes = int(out_size), int(err_size)
    if mark.decode() != _REPORT_MARK or len(rest) != sum(sizes):
        raise ValueError("not a whole report")
    return ScriptResult(
        exit_code=None if code == b"-" else int(code),
        stdout_tail=rest[: sizes[0]].decode(errors="replace"),
        stderr_tail=rest[sizes[0] :].decode(errors="replace"),
        message=message.decode(errors="replace"),
        was_run_before=before == b"yes",
    )


def _check(name: str, sequence: int) -> None:
    if not _NAME.fullmatch(name) or sequence < 0:
        raise BadInput("A script needs an extension's name and a sequence number from 0 up.", target="name")


def _payload(request: ScriptRequest, download_wait_s: int) -> bytes:
    """The runner, then the number of bytes that follow, then the request, which ends in the bytes to run."""
    _check(request.name, request.sequence)
    if request.user is not None and not _USER.fullmatch(request.user):
        raise BadInput(f"'{request.user[:40]}' cannot be a user's name.", target="runAsUser")
    interpreter, argument, body = _body(request)
    lines = [
        request.name,
        str(request.sequence),
        request.run,
        str(max(1, math.ceil(request.timeout_s))),
        str(download_wait_s),
        "no" if request.skip_dos2unix else "yes",
        request.user or "",
        "yes" if request.is_file_appended else "no",
        interpreter,
        argument,
        str(len(request.file_uris)),
    ]
    for uri in request.file_uris:
        lines += _file_lines(uri)
    wish = "".join(f"{line}\n" for line in lines).encode() + body
    return f"{_runner()}{_END}\n{len(wish)}\n".encode() + wish


def _file_lines(uri: str) -> list[str]:
    """The URI, its file's name, and its parts for a guest whose only tool is netcat."""
    name = file_name_of(uri)
    parts = urlsplit(uri)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return [uri, name, parts.scheme, host, str(port), parts.netloc, path]


def _body(request: ScriptRequest) -> tuple[str, str, bytes]:
    """Interpreter, its one argument (as the kernel reads ``#!`` lines), and the bytes it shall read."""
    if request.script is None:
        return _SHELL, "", request.preamble + (request.command or "").encode()
    script = request.script
    if not request.skip_dos2unix:
        script = script.removeprefix(_BOM).replace(b"\r\n", b"\n")
    shebang = _SHEBANG.match(script)
    if not shebang:
        return _SHELL, "", request.preamble + script
    return (
        shebang["interpreter"].decode(errors="replace"),
        shebang["argument"].decode(errors="replace").strip(),
        request.preamble + script,
    )


@functools.cache
def _runner() -> str:
    """The runner without its comments and empty lines, which would only cost time on the way."""
    text = importlib.resources.files(__package__).joinpath("runner.sh").read_text()
    kept = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return "".join(f"{line.strip()}\n" for line in kept)
