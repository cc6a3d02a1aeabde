"""The scale set as the Resource Manager takes it (reference 1.1 to 1.3), and the one function that reads it.

What is acted on, only kept, refused, and our own is told in docs/azure-differences.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.base import ArmEnum, ArmModel, Duration, Flag, Only, Refused, Whole, bad_value
from orchestrator.model.arm.capabilities import AdditionalCapabilities
from orchestrator.model.arm.envelope import Identity, Plan, Tags
from orchestrator.model.arm.groups import HostGroup, ProximityPlacementGroup
from orchestrator.model.arm.names import check_set_name, default_computer_name_prefix
from orchestrator.model.arm.partial import without
from orchestrator.model.arm.policies import AutomaticRepairsPolicy, BusyProbe, ExternalHealthProbe, ScaleInPolicy
from orchestrator.model.arm.problems import problems_of, raise_problems
from orchestrator.model.arm.resiliency import ResiliencyPolicy
from orchestrator.model.arm.rules import check_together
from orchestrator.model.arm.upgrade import UpgradePolicy
from orchestrator.model.arm.vm_profile import VmProfile

CAPACITY_MAX = 1000
_Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,16}$")]


def canonical_location(text: str) -> str:
    """``West Europe`` and ``westeurope`` are one place."""
    return text.replace(" ", "").lower()


class Tier(ArmEnum):
    STANDARD = "Standard"
    BASIC = "Basic"


class Sku(ArmModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    tier: Tier = Tier.STANDARD
    capacity: Annotated[Whole, Field(ge=0, le=CAPACITY_MAX)]


class OrchestrationMode(ArmEnum):
    UNIFORM = "Uniform"
    FLEXIBLE = "Flexible"


class AlignMode(ArmEnum):
    ALIGNED = "Aligned"
    UNALIGNED = "Unaligned"
    BEST_EFFORT_ALIGNED = "BestEffortAligned"


class Interconnect(ArmEnum):
    NONE = "None"
    TRUNK = "Trunk"


class SpotRestorePolicy(ArmModel):
    enabled: Annotated[Flag, Only((False,), "nothing is evicted here, so nothing is restored")] = False
    restore_timeout: Duration | None = None


class ScaleSetProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate", "uniqueid", "timecreated", "warnings"})
    quiet: ClassVar[frozenset[str]] = frozenset(
        {
            "do_not_run_extensions_on_overprovisioned_vms",
            "zone_balance",
            "resiliency_policy",
            "additional_capabilities",
        }
    )
    orchestration_mode: OrchestrationMode = OrchestrationMode.UNIFORM
    upgrade_policy: UpgradePolicy = UpgradePolicy()
    automatic_repairs_policy: AutomaticRepairsPolicy | None = None
    scale_in_policy: ScaleInPolicy = ScaleInPolicy()
    overprovision: Flag = False
    do_not_run_extensions_on_overprovisioned_vms: Flag = Field(
        default=False, alias="doNotRunExtensionsOnOverprovisionedVMs"
    )
    single_placement_group: Flag = False
    platform_fault_domain_count: Annotated[Whole, Field(ge=1, le=5)] | None = None
    zone_balance: Flag = False
    resiliency_policy: ResiliencyPolicy = ResiliencyPolicy()
    proximity_placement_group: ProximityPlacementGroup | None = None
    host_group: HostGroup | None = None
    additional_capabilities: AdditionalCapabilities = AdditionalCapabilities()
    external_health_probe: ExternalHealthProbe | None = None
    busy_probe: BusyProbe | None = None
    external_health_policy: Annotated[
        Any, Refused("nobody outside reports health to vmss; externalHealthProbe asks guests from outside")
    ] = None
    spot_restore_policy: SpotRestorePolicy | None = None
    priority_mix_policy: Annotated[Any, Refused("there are no Spot instances to mix with")] = None
    scheduled_events_policy: Annotated[
        Any, Refused("guests are told of events through the metadata service, which does not exist yet")
    ] = None
    sku_profile: Annotated[Any, Refused("all instances of a set have the one size of 'sku'")] = None
    constrained_maximum_capacity: Annotated[Any, Refused("the limits of a set are fixed")] = None
    zonal_platform_fault_domain_align_mode: AlignMode | None = None
    high_speed_interconnect_placement: Annotated[
        Interconnect | None, Only((Interconnect.NONE,), "there is no interconnect but the hosts' network")
    ] = None
    lifecycle_hooks_profile: Annotated[Any, Refused("upgrades wait for no approval")] = None
    virtual_machine_profile: VmProfile

    @property
    def is_flexible(self) -> bool:
        return self.orchestration_mode is OrchestrationMode.FLEXIBLE


class ScaleSetResource(ArmModel):
    """A whole scale set, valid in itself. Whether this site can run it is ``site.check_site``'s question."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "type", "etag", "systemdata"})
    name: Annotated[str, Field(exclude=True)]
    location: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(canonical_location)]
    tags: Tags = Field(default_factory=dict)
    plan: Plan | None = None
    identity: Identity | None = None
    sku: Sku
    zones: tuple[_Zone, ...] = ()
    placement: Annotated[Any, Refused("name the zones in 'zones'; none is chosen for a set")] = None
    extended_location: Annotated[Any, Refused("there is one location, and nothing at its edge")] = None
    properties: ScaleSetProperties

    @field_validator("zones")
    @classmethod
    def _zones_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise bad_value("names a zone twice")
        return value

    @property
    def profile(self) -> VmProfile:
        return self.properties.virtual_machine_profile

    def with_defaults(self) -> Self:
        """With the defaults that depend on the set's name and on its orchestration mode."""
        properties = self.properties
        changes: dict[str, Any] = {}
        if properties.is_flexible and properties.platform_fault_domain_count is None:
            changes["platform_fault_domain_count"] = 1
        if not self.profile.os_profile.computer_name_prefix:
            prefix = default_computer_name_prefix(self.name)
            os_profile = self.profile.os_profile.model_copy(update={"computer_name_prefix": prefix})
            changes["virtual_machine_profile"] = self.profile.model_copy(update={"os_profile": os_profile})
        return self.model_copy(update={"properties": properties.model_copy(update=changes)}) if changes else self


HealthSource = Literal["inside", "outside"]


def parse_scale_set(body: Mapping[str, Any], *, name: str) -> ScaleSetResource:
    """Read a body. Raises ``BadInput`` (or ``NotPossible``) that names every offence at once."""
    check_set_name(name)
    given = next((value for key, value in body.items() if key.lower() == "name"), None)
    if given is not None and str(given).lower() != name.lower():
        raise BadInput(
            f"The body is of '{given}', the address of '{name}'.", code="InvalidRequestContent", target="name"
        )
    members = {key: value for key, value in body.items() if key.lower() != "name"}
    try:
        resource = ScaleSetResource.model_validate({**members, "name": name}).with_defaults()
    except ValidationError as error:
        raise_problems([*problems_of(error, ScaleSetResource), *_problems_of_the_rest(members, name, error)])
        raise
    raise_problems(check_together(resource))
    return resource


def _problems_of_the_rest(body: Mapping[str, Any], name: str, error: ValidationError) -> list[ErrorDetail]:
    """What does not fit together among the members that are right in themselves."""
    left, unknown = without(body, [each["loc"] for each in error.errors(include_url=False)])
    try:
        resource = ScaleSetResource.model_validate({**left, "name": name}).with_defaults()
    except ValidationError:
        return []
    return check_together(resource, unknown)
