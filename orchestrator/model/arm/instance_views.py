"""What state one instance is in: its instance view (reference 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.arm.extension_views import extension_view, handlers
from orchestrator.model.arm.names import InstanceNames, ScaleSetId
from orchestrator.model.arm.statuses import (
    Json,
    PowerState,
    Status,
    acceleration_status,
    agent_status,
    disk_status,
    health_status,
    hibernation_status,
    power_status,
    provisioning_status,
    service_status,
    stable_uuid,
    status,
)
from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.guest import Owner
from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage
from orchestrator.model.network.cards import configured_cards, queues_of
from orchestrator.model.scale_set import ScaleSet


@dataclass(frozen=True, slots=True)
class ImageLook:
    """What the catalogue says of the image that an instance's disk stands on."""

    os_name: str
    os_version: str
    hyper_v_generation: str


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of one instance now. ``health`` is ``None`` when the set has no health source;
    ``custom_metrics`` is what a rich health answer carried beside it. ``image`` is ``None`` when the catalogue
    does not have it. ``agent_version`` is the daemon's: it is the agent, over SSH."""

    power: PowerState
    health: Health | None = None
    health_since: float = 0.0
    health_detail: str = ""
    custom_metrics: CustomMetrics | None = None
    is_hibernated: bool = False
    is_host_draining: bool = False
    image: ImageLook | None = None
    agent_version: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One instance as it is to be shown: its set, the model that it is on, its row, and what is seen of it."""

    record: ScaleSet
    model: Mapping[str, Any]
    row: Instance
    owner: Owner
    look: Look

    @property
    def names(self) -> InstanceNames:
        return InstanceNames.of(self.record)

    @property
    def resource_id(self) -> str:
        return set_id_of(self.record).instance(self.names.id(self.row.instance_id))

    @property
    def profile(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.model["properties"]["virtualMachineProfile"]
        return found

    @property
    def computer_name(self) -> str:
        prefix = self.profile["osProfile"]["computerNamePrefix"]
        return self.names.computer_name(prefix, self.row.instance_id)

    @property
    def has_agent(self) -> bool:
        return bool(self.profile["osProfile"].get("linuxConfiguration", {}).get("provisionVMAgent", True))

    @property
    def has_own_extensions(self) -> bool:
        """Whether it has extensions beside those of its model; they are marked so (``own_extension.with_own``)."""
        return any(each.get("own") for each in extensions_of(self.model))

    @property
    def is_answering(self) -> bool:
        """Whether its operating system has come up and has not been seen to stop since."""
        is_up = self.row.stage in {Stage.CONFIGURING, Stage.READY} or (
            self.row.stage is Stage.FAILED and bool(self.row.extensions)
        )
        return is_up and self.look.power is PowerState.RUNNING


def set_id_of(record: ScaleSet) -> ScaleSetId:
    return ScaleSetId(record.subscription_id, record.resource_group, record.name)


def placement_group_id(row: Instance) -> str:
    """The same for all instances of one placement group of one set."""
    return stable_uuid(f"{row.set_uid}/placementGroups/{row.placement_group}")


def instance_view(it: Subject) -> Json:
    """The state of one instance. In ``assignedHost`` is the name of its hypervisor; ``privateIPAddress`` and
    ``zone`` are ours."""
    view: Json = {
        "computerName": it.computer_name,
        "privateIPAddress": it.row.address,
        **_place(it),
        **_image(it),
        "disks": [{"name": it.owner.disk_volume, "statuses": [disk_status(it.row)]}],
        "extensions": [extension_view(each, it.row, it.look) for each in extensions_of(it.model)],
        "bootDiagnostics": {"serialConsoleLogBlobUri": f"{it.resource_id}/console"},
        "statuses": list(_statuses(it)),
    }
    if it.has_agent:
        view["vmAgent"] = _agent(it)
    if it.look.health is not None:
        view["vmHealth"] = {"status": health_status(it.look.health, it.look.health_since, it.look.health_detail)}
    return view


def extensions_of(model: Mapping[str, Any]) -> list[Json]:
    return list(model["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"])


def _statuses(it: Subject) -> Iterator[Status]:
    """Provisioning and power, then what more there is to say."""
    yield provisioning_status(it.row)
    yield power_status(it.look.power)
    if it.look.is_hibernated:
        yield hibernation_status(it.row)
    if (special := service_status(it.row)) is not None:
        yield special
    if any(card["properties"].get("enableAcceleratedNetworking") for card in configured_cards(it.profile)):
        yield acceleration_status(queues_of(True, it.row.vcpus))


def _place(it: Subject) -> Json:
    row, place = it.row, dict[str, Any]()
    if row.host is not None:
        place |= {"assignedHost": row.host, "platformFaultDomain": row.fault_domain}
        if not it.record.is_flexible and row.update_domain is not None:
            place["platformUpdateDomain"] = row.update_domain
        if it.look.power is not PowerState.DEALLOCATED:
            place["placementGroupId"] = placement_group_id(row)
    if row.zone is not None:
        place["zone"] = row.zone
    if it.look.is_host_draining:
        place["maintenanceRedeployStatus"] = {
            "isCustomerInitiatedMaintenanceAllowed": True,
            "lastOperationResultCode": "None",
        }
    return place


def _image(it: Subject) -> Json:
    image = it.look.image
    if image is None:
        return {}
    return {
        "osName": image.os_name,
        "osVersion": image.os_version,
        "hyperVGeneration": image.hyper_v_generation,
    }


def _agent(it: Subject) -> Json:
    """There is no agent of ours in the guest: the daemon reaches it over SSH, which is ready or is not."""
    is_ready = it.is_answering
    ready = status("ProvisioningState/succeeded", "Ready")
    return {
        "vmAgentVersion": it.look.agent_version,
        "statuses": [agent_status(is_ready=is_ready)],
        "extensionHandlers": [
            {**each, "status": ready if is_ready else agent_status(is_ready=False)}
            for each in handlers(extensions_of(it.model))
        ],
    }
