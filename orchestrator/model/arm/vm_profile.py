"""``properties.virtualMachineProfile`` (reference 1.3): what each new instance is made from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import StringConstraints

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused
from orchestrator.model.arm.extensions import ExtensionProfile
from orchestrator.model.arm.network import NetworkProfile
from orchestrator.model.arm.notices import ScheduledEventsProfile
from orchestrator.model.arm.os_profile import OsProfile
from orchestrator.model.arm.security import SecurityProfile
from orchestrator.model.arm.storage import StorageProfile

NO_EVICTION_PRICE = -1.0


class Priority(ArmEnum):
    REGULAR = "Regular"
    LOW = "Low"
    SPOT = "Spot"
    SPOT_PLUS = "SpotPlus"


class BootDiagnostics(ArmModel):
    enabled: Flag = True
    storage_uri: Annotated[Any, Refused("there are no storage accounts; the serial log is kept by the host")] = None


class DiagnosticsProfile(ArmModel):
    boot_diagnostics: BootDiagnostics = BootDiagnostics()


class BillingProfile(ArmModel):
    max_price: Annotated[float, Only((NO_EVICTION_PRICE,), "nothing has a price here; only -1 fits")] | None = None


class VmProfile(ArmModel):
    """What asks for more than a guest of an image on an address with extensions is refused by name."""

    read_only: ClassVar[frozenset[str]] = frozenset({"timecreated"})
    os_profile: OsProfile = OsProfile()
    storage_profile: StorageProfile
    network_profile: NetworkProfile | None = None
    security_profile: SecurityProfile | None = None
    extension_profile: ExtensionProfile = ExtensionProfile()
    diagnostics_profile: DiagnosticsProfile | None = None
    scheduled_events_profile: ScheduledEventsProfile | None = None
    priority: Annotated[Priority, Only((Priority.REGULAR,), "nothing is evicted here; use Regular")] = (
        Priority.REGULAR
    )
    eviction_policy: Annotated[Any, Refused("it is for Spot instances, and nothing is evicted here")] = None
    billing_profile: BillingProfile | None = None
    license_type: Annotated[str, StringConstraints(max_length=64)] | None = None
    user_data: Annotated[
        Any, Refused("a guest would read it from the metadata service, which does not exist yet; use customData")
    ] = None
    capacity_reservation: Annotated[Any, Refused("room on the hosts cannot be reserved")] = None
    application_profile: Annotated[
        Any, Refused("there is no gallery of applications; install by an extension or in the image")
    ] = None
    hardware_profile: Annotated[
        Any, Refused("a size has the processors it has; make a size of your own in the configuration")
    ] = None
    service_artifact_reference: Annotated[Any, Refused("there is no gallery of service artifacts")] = None
    security_posture_reference: Annotated[Any, Refused("there is no gallery of security postures")] = None
