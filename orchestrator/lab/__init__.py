"""The lab: several hypervisor hosts on one machine, and the faults one can make there."""

from orchestrator.lab.lab import Lab
from orchestrator.lab.status import LabHostStatus, LabStatus, status_of

__all__ = ["Lab", "LabHostStatus", "LabStatus", "status_of"]
