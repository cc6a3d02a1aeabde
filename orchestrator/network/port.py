"""The Balancer port: what the loop asks of the machine's balancer. Adapters: ``network.haproxy`` and, for
simulated hosts, ``network.simulated``."""

from __future__ import annotations

from typing import Protocol

from orchestrator.model.network.traffic import MemberSight, Side, Traffic


class Balancer(Protocol):
    """Contract: ``apply`` is idempotent and level-triggered. A change of members alone is made while it runs,
    without a reload; any other by a reload that loses no connection. What is applied is in its written
    configuration too, so it goes on through an end of the daemon and comes back the same after its own. Raises
    ``BalancerError``."""

    async def apply(self, traffic: Traffic) -> None:
        """Do this from now on. Traffic without listeners ends it."""

    def is_taken(self, address: str, port: int, side: Side) -> bool:
        """Whether somebody listens there, this balancer or another program. Ends at once."""

    async def look(self) -> tuple[MemberSight, ...]:
        """Every member as it is now."""

    async def shut(self, backend: str, member: str) -> None:
        """It is dead: at once nothing more is sent to it, and its connections are closed."""

    async def close(self) -> None:
        """Stop talking to it. It runs on."""
