"""A balancer that only keeps what it was told: for simulated hosts, whose guests have no network."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.model.network.traffic import MemberSight, Side, Traffic


@dataclass
class SimulatedBalancer:
    """Members are up unless ``down`` names them; ``sessions`` are those of a member, by its name. Another program
    has the ports that are ``taken``."""

    traffic: Traffic = field(default_factory=Traffic)
    down: set[str] = field(default_factory=set)
    sessions: dict[str, int] = field(default_factory=dict)
    taken: set[tuple[str, int]] = field(default_factory=set)

    async def apply(self, traffic: Traffic) -> None:
        self.traffic = traffic

    def is_taken(self, address: str, port: int, side: Side) -> bool:
        return (address, port) in self.taken

    async def look(self) -> tuple[MemberSight, ...]:
        return tuple(
            MemberSight(
                backend.name, each.name, each.state, each.name not in self.down, self.sessions.get(each.name, 0)
            )
            for backend in self.traffic.backends
            for each in backend.members
        )

    async def shut(self, backend: str, member: str) -> None:
        self.down.add(member)
        self.sessions.pop(member, None)

    async def close(self) -> None:
        return None
