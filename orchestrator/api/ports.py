"""What the API asks of the loop. It has no other way to a host: everything else is a wish in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrator.model.host import HostConfig
from orchestrator.model.reports import CensusEntry, Check, FrontReport, HostReport
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.inputs import Seen
from orchestrator.plan.steps import Plan


class ControlPort(Protocol):
    """Implemented by ``control``. Calls answer from what was seen last unless their docstring says otherwise."""

    def seen(self, set_uid: str) -> Mapping[int, Seen]:
        """What is seen of each instance of a set, by id. One that is missing has not been looked at yet."""

    async def plan(self, set_uid: str) -> Plan:
        """What the next pass over this set would do. Changes nothing. Raises ``NotFound``."""

    def rehearsed_plan(self, record: ScaleSet) -> Plan:
        """What the first pass over a set would do that was just written in a rehearsal of the store."""

    def newest_image(self, set_uid: str) -> str:
        """The exact image version that a new disk of this set's model would stand on. Raises ``NotFound``, or
        ``ImageError`` when the catalogue does not have the image."""

    async def console(self, set_uid: str, instance_id: int, max_bytes: int) -> bytes:
        """The tail of the serial log, asked of the host. Raises ``NotFound`` for an id without a row, or
        ``HostError``."""

    async def census(self) -> Sequence[CensusEntry]:
        """Everything on every host that answers, asked now."""

    async def doctor(self) -> Sequence[Check]:
        """Look at acceleration, connections, pools, networks, permissions and clocks, now."""

    def hosts(self) -> Sequence[HostReport]:
        """All hosts, by name."""

    async def put_host(self, config: HostConfig) -> None:
        """Add a host, or change how it is reached. Raises ``BadInput``, or ``Conflict`` for one of the file."""

    async def drain_host(self, name: str, *, is_draining: bool) -> None:
        """Begin or end draining. Returns at once; instances move by themselves. Raises ``NotFound``."""

    async def remove_host(self, name: str, *, is_forced: bool) -> None:
        """Forget a host. Raises ``NotFound``, or ``Conflict`` while instances are on it unless forced."""

    def is_port_taken(self, address: str, port: int) -> bool:
        """Whether another program than the balancer listens at a port of a public address. Looks now, at once."""

    async def fronts(self) -> Sequence[FrontReport]:
        """What the balancer listens at now, and how it sees each member. Raises ``BalancerError``."""
