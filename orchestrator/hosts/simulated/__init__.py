"""Simulated hosts and guests: the ports' other adapters, for lessons, stories and tests."""

from orchestrator.hosts.simulated.guests import SimulatedGuests
from orchestrator.hosts.simulated.host import SimulatedHost
from orchestrator.hosts.simulated.world import SimulatedGuest, SimulatedHypervisor, SimulatedWorld, Timing

__all__ = ["SimulatedGuest", "SimulatedGuests", "SimulatedHost", "SimulatedHypervisor", "SimulatedWorld", "Timing"]
