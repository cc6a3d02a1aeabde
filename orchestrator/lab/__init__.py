"""The lab: several hypervisor hosts on one machine, and the faults one can make there."""

from orchestrator.lab.faults import (
    GuestKill,
    cut_host,
    fill_pool,
    find_guest,
    freeze_guest,
    kill_guest,
    power_off_host,
    slow_host,
    stop_host,
)
from orchestrator.lab.lab import Lab
from orchestrator.lab.record import Fault
from orchestrator.lab.status import LabHostStatus, LabStatus

__all__ = [
    "Fault",
    "GuestKill",
    "Lab",
    "LabHostStatus",
    "LabStatus",
    "cut_host",
    "fill_pool",
    "find_guest",
    "freeze_guest",
    "kill_guest",
    "power_off_host",
    "slow_host",
    "stop_host",
]
