"""HAProxy's runtime API over its Unix socket (https://docs.haproxy.org/2.6/management.html#9.3)."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.errors import BalancerError
from orchestrator.model.network.traffic import MemberSight, MemberState

ANSWER_WITHIN_S = 5.0
_LINE_MAX_BYTES = 8_000  # HAProxy's own buffer holds 16 KiB
_FORCED_DRAIN, _FORCED_MAINTENANCE = 0x08, 0x01
_MAINTENANCE_BITS = 0x01 | 0x02 | 0x04 | 0x20


@dataclass(frozen=True, slots=True)
class Server:
    """A server as HAProxy has it now."""

    backend: str
    name: str
    address: str
    port: int
    is_draining: bool
    is_in_maintenance: bool


class Runtime:
    """One connection for each question: HAProxy closes it after its answer."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    async def ask(self, command: str) -> str:
        """Raises ``BalancerError`` when nobody answers in time."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=1 << 20)
                try:
                    writer.write(f"{command}\n".encode())
                    await writer.drain()
                    return (await reader.read(-1)).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise BalancerError(f"The balancer does not answer: {error!r}") from error

    async def tell(self, commands: Sequence[str]) -> str:
        """All of them, as few lines as fit. Returns what it said that was not empty."""
        said = [await self.ask(line) for line in _lines(commands)]
        return "\n".join(line for each in said for line in each.splitlines() if line.strip())

    async def servers(self) -> dict[tuple[str, str], Server]:
        """Every server, by backend and name."""
        found = (_server(line.split()) for line in (await self.ask("show servers state")).splitlines())
        return {(each.backend, each.name): each for each in found if each is not None}

    async def sights(self) -> tuple[MemberSight, ...]:
        """Every server with what its checks found."""
        text = (await self.ask("show stat -1 4 -1")).lstrip("# ")
        return tuple(_sight(row) for row in csv.DictReader(io.StringIO(text)) if row.get("pxname"))


def _lines(commands: Iterable[str]) -> Iterator[str]:
    line: list[str] = []
    for command in commands:
        if line and len("; ".join([*line, command])) > _LINE_MAX_BYTES:
            yield "; ".join(line)
            line = []
        line.append(command)
    if line:
        yield "; ".join(line)


def _server(words: list[str]) -> Server | None:
    """The columns of version 1: be_id be_name srv_id srv_name srv_addr op_state admin_state … srv_port is 19th."""
    if len(words) < 19 or words[0].startswith("#"):
        return None
    admin = int(words[6])
    return Server(
        words[1],
        words[3],
        words[4],
        int(words[18]),
        is_draining=bool(admin & _FORCED_DRAIN),
        is_in_maintenance=bool(admin & _MAINTENANCE_BITS),
    )


def _sight(row: dict[str, str]) -> MemberSight:
    status = row["status"]
    is_draining = status.startswith(("DRAIN", "MAINT"))
    detail = " ".join(filter(None, (status, row.get("check_status"), row.get("last_chk"))))
    state = MemberState.DRAINING if is_draining else MemberState.READY
    return MemberSight(row["pxname"], row["svname"], state, _is_up(row), int(row["scur"] or 0), detail)


def _is_up(row: dict[str, str]) -> bool | None:
    status, check = row["status"], row.get("check_status", "")
    if status.startswith("MAINT"):
        return False
    if check.lstrip("* ") in {"", "INI"} and status != "no check":
        return None if status.startswith("UP") else False
    if status.startswith("DRAIN"):
        return check.lstrip("* ").endswith("OK")
    return status.startswith("UP") or status == "no check"
