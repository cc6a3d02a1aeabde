"""The scale set as the Resource Manager takes it (reference 1.1 to 1.3), and the one function that reads it.

What is acted on, only kept, refused, and our own is told in docs/azure-differences.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Whole, bad_value, not_possible
from orchestrator.model.arm.capabilities import AdditionalCapabilities
from orchestrator.model.arm.extensions import ExtensionProfile
from orchestrator.model.arm.groups import HostGroup, ProximityPlacementGroup
from orchestrator.model.arm.names import check_set_name, default_computer_name_prefix
from orchestrator.model.arm.network import NetworkProfile
from orchestrator.model.arm.os_profile import OsProfile
from orchestrator.model.arm.policies import AutomaticRepairsPolicy, ExternalHealthProbe, ScaleInPolicy
from orchestrator.model.arm.problems import problems_of, raise_problems
from orchestrator.model.arm.resiliency import ResiliencyPolicy
from orchestrator.model.arm.rules import check_together
from orchestrator.model.arm.storage import StorageProfile
from orchestrator.model.arm.upgrade import UpgradePolicy

CAPACITY_MAX = 1000
_TAGS_MAX = 50
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


class Priority(ArmEnum):
    REGULAR = "Regular"
    LOW = "Low"
    SPOT = "Spot"


class BootDiagnostics(ArmModel):
    enabled: Flag = True


class DiagnosticsProfile(ArmModel):
    boot_diagnostics: BootDiagnostics = BootDiagnostics()


class VmProfile(ArmModel):
    """What each new instance is made from."""

    read_only: ClassVar[frozenset[str]] = frozenset({"timecreated"})
    os_profile: OsProfile = OsProfile()
    storage_profile: StorageProfile
    network_profile: NetworkProfile | None = None
    extension_profile: ExtensionProfile = ExtensionProfile()
    diagnostics_profile: DiagnosticsProfile | None = None
    priority: Priority = Priority.REGULAR

    @field_validator("priority")
    @classmethod
    def _regular(cls, value: Priority) -> Priority:
        if value is not Priority.REGULAR:
            raise not_possible(f"{value} is not possible in this version; only Regular is")
        return value


class ScaleSetProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate", "uniqueid", "timecreated"})
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
    virtual_machine_profile: VmProfile

    @property
    def is_flexible(self) -> bool:
        return self.orchestration_mode is OrchestrationMode.FLEXIBLE


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _TAGS_MAX:
        raise bad_value(f"has {len(tags)} tags; at most {_TAGS_MAX} are allowed")
    if len({name.lower() for name in tags}) != len(tags):
        raise bad_value("has the same tag twice, in different case")
    for name, value in tags.items():
        if not 1 <= len(name) <= 512 or set(name) & set("<>%&\\?/") or not name.isprintable():
            raise bad_value("has a tag whose name is empty, above 512 characters or with one of < > % & \\ ? /")
        if len(value) > 256:
            raise bad_value(f"has a value above 256 characters for the tag {name}")
    return tags


class ScaleSetResource(ArmModel):
    """A whole scale set, valid in itself. Whether this site can run it is ``site.check_site``'s question."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "type", "etag", "systemdata"})
    name: Annotated[str, Field(exclude=True)]
    location: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(canonical_location)]
    tags: Annotated[dict[str, str], AfterValidator(_check_tags), Field(default_factory=dict)]
    sku: Sku
    zones: tuple[_Zone, ...] = ()
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
        resource = ScaleSetResource.model_validate({**members, "name": name})
    except ValidationError as error:
        raise_problems(problems_of(error, ScaleSetResource))
        raise
    resource = resource.with_defaults()
    problems: list[ErrorDetail] = check_together(resource)
    raise_problems(problems)
    return resource
