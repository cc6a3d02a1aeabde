"""From the stored resource to the wish of the plan. Parsed models are kept by set and version."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from orchestrator.control.proximity import group_name, proximity_zone
from orchestrator.control.specs import AddressSpaces
from orchestrator.control.upgrade_wishes import Differences, image_upgrades, rolling_policy, versions
from orchestrator.errors import NotFound
from orchestrator.guest.port import ScriptRequest
from orchestrator.model.addresses import room_for
from orchestrator.model.arm.extensions import Extension, scripts_before
from orchestrator.model.arm.rules import health_source
from orchestrator.model.arm.scale_set import HealthSource, ScaleSetResource, parse_scale_set
from orchestrator.model.arm.write_only import join_secrets
from orchestrator.model.custom_script import parse_custom_script
from orchestrator.model.health import ProbeSettings
from orchestrator.model.instance import Instance
from orchestrator.model.network.balancer_probe import probe_settings
from orchestrator.model.network.references import top_of
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.model.scale_set import ScaleSet
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.plan.extensions import time_left_s
from orchestrator.plan.inputs import ExtensionWish, RepairWish, SetWish, join_extensions
from orchestrator.store import Store


class Wishes:
    """Reads what is wanted of a set, and what one instance was made from."""

    def __init__(self, store: Store, sizes: SizeCatalogue, spaces: AddressSpaces) -> None:
        self._store = store
        self._spaces = spaces
        self._sizes = sizes
        self._resource = lru_cache(maxsize=512)(self._parse)
        self._profile = lru_cache(maxsize=512)(self._read_profile)
        self._extensions = lru_cache(maxsize=512)(self._read_extensions)
        self._differences = Differences(store)
        self._known: dict[tuple[str, int], ScaleSet] = {}
        self._sources: dict[tuple[str, int], tuple[ProbeSettings, HealthSource] | None] = {}
        self._outside: dict[str, tuple[int, ProbeSettings | None]] = {}
        self._probes: dict[str, ProbeSettings | None] = {}
        self._probes_version = -1

    def forgetful(self) -> Wishes:
        """The same, remembering nothing: for versions of sets that may never be."""
        return Wishes(self._store, self._sizes, self._spaces)

    def _parse(self, uid: str, version: int) -> ScaleSetResource:
        record = self._known.pop((uid, version))
        return parse_scale_set(join_secrets(record.model, record.secrets), name=record.name)

    def resource(self, record: ScaleSet) -> ScaleSetResource:
        self._known[record.uid, record.version] = record
        try:
            return self._resource(record.uid, record.version)
        finally:
            self._known.pop((record.uid, record.version), None)

    def _read_profile(self, uid: str, model_version: int) -> tuple[ScaleSet, ScaleSetResource]:
        record = self._store.profile(uid, model_version)
        if record is None:
            raise NotFound(f"Model {model_version} of scale set {uid} is not kept.")
        return record, parse_scale_set(join_secrets(record.model, record.secrets), name=record.name)

    def made_from(self, row: Instance) -> tuple[ScaleSet, ScaleSetResource]:
        """The set and its model as they were in the version this instance is on."""
        return self._profile(row.set_uid, row.model_version)

    def wish(self, record: ScaleSet, rows: list[Instance], upgrade: RollingUpgrade | None = None) -> SetWish:
        """The whole wish; rows and the upgrade under way tell which older models still matter."""
        resource = self.resource(record)
        properties = resource.properties
        size = self._sizes.get(resource.sku.name)
        repair = properties.automatic_repairs_policy
        source = self._balancer_probe(resource) or health_source(resource)
        is_repairing = repair is not None and repair.enabled
        models = versions(record, rows, upgrade)
        return SetWish(
            uid=record.uid,
            name=record.name,
            capacity=record.capacity,
            next_instance_id=record.next_instance_id,
            model_version=record.model_version,
            vcpus=size.vcpus,
            memory_mib=size.memory_mib,
            address_space=self._spaces.name_of(resource),
            zones=resource.zones,
            fault_domain_count=properties.platform_fault_domain_count,
            scale_in_rule=properties.scale_in_policy.rule.value,
            is_force_deletion=properties.scale_in_policy.force_deletion or record.is_force_deleting,
            is_unhealthy_first=properties.scale_in_policy.prioritize_unhealthy_vms,
            repair=RepairWish(repair.repair_action.value, repair.grace_period.total_seconds())
            if repair is not None and is_repairing
            else None,
            is_repair_suspended=record.is_repair_suspended,
            changed_at=record.changed_at,
            has_agent=resource.profile.os_profile.linux_configuration.provision_vm_agent,
            health_interval_s=source[0].interval_s if source else None,
            own_extensions=self._own_extensions(record.uid),
            extensions={version: self._extensions(record.uid, version) for version in models},
            extensions_budget_s=resource.profile.extension_profile.extensions_time_budget.total_seconds(),
            upgrade_mode=properties.upgrade_policy.mode.value,
            rolling=rolling_policy(properties.upgrade_policy),
            image_upgrades=image_upgrades(properties.upgrade_policy),
            differences=self._differences.of(record, models),
            sizes={version: self._size(record.uid, version) for version in models},
            proven_model_version=record.proven_model_version,
            is_flexible=record.is_flexible,
            is_overprovisioned=properties.overprovision,
            runs_extensions_on_trial=not properties.do_not_run_extensions_on_overprovisioned_vms,
            has_single_placement_group=properties.single_placement_group,
            is_zone_balance_strict=properties.zone_balance,
            rebalances_zones=_rebalances_zones(record, resource),
            rebalanced_at=record.rebalanced_at,
            host_group=properties.host_group.name.lower() if properties.host_group else None,
            has_proximity_group=properties.proximity_placement_group is not None,
            is_deleting=record.is_deleting,
        )

    def addresses_left(self, record: ScaleSet) -> tuple[int, str]:
        """For how many more instances there are addresses, and where these are of."""
        spaces = self._spaces.of_each(self.resource(record))
        room = room_for(spaces, self._store.addresses() | self._spaces.kept_back)
        return room, ", ".join(sorted({each.name for each in spaces}))

    def placed(self, record: ScaleSet, wish: SetWish) -> SetWish:
        """The wish with what other sets have to say about where the instances may stand."""
        name = group_name(self.resource(record))
        return replace(wish, proximity_zone=proximity_zone(self._store, self.resource, name)) if name else wish

    def _size(self, uid: str, version: int) -> tuple[int, int]:
        size = self._sizes.get(self._profile(uid, version)[1].sku.name)
        return size.vcpus, size.memory_mib

    def _read_extensions(self, uid: str, version: int) -> tuple[ExtensionWish, ...]:
        record, resource = self._profile(uid, version)
        extensions = resource.profile.extension_profile.extensions
        after = scripts_before(extensions)
        return tuple(
            ExtensionWish(
                each.name,
                record.extension_sequences.get(each.name, 0),
                after[each.name],
                each.properties.suppress_failures,
            )
            for each in extensions
            if each.is_custom_script
        )

    def _own_extensions(self, uid: str) -> dict[int, tuple[ExtensionWish, ...]]:
        """Those that instances have for themselves, by instance."""
        found: dict[int, tuple[ExtensionWish, ...]] = {}
        for each in self._store.own_extensions(uid):
            after = tuple(each.properties.get("provisionAfterExtensions", ()))
            is_suppressed = bool(each.properties.get("suppressFailures"))
            one = ExtensionWish(each.name, each.sequence, after, is_suppressed)
            found[each.instance_id] = (*found.get(each.instance_id, ()), one)
        return found

    def extensions_of(self, row: Instance) -> tuple[ExtensionWish, ...]:
        """All that run on this instance, its own and those of the model that it is on."""
        return join_extensions(
            self._extensions(row.set_uid, row.model_version),
            self._own_extensions(row.set_uid).get(row.instance_id, ()),
        )

    def wants_extension(self, row: Instance, name: str, sequence: int) -> bool:
        """Whether a run of it with that configuration is to go on."""
        return any((each.name, each.sequence) == (name, sequence) for each in self.extensions_of(row))

    def health(self, record: ScaleSet, row: Instance) -> tuple[ProbeSettings, HealthSource] | None:
        """The one health source of an instance. The probe from outside is a policy of the set and counts at
        once; the extension is part of the model that the instance is on."""
        if (probe := self._outside_probe(record)) is not None:
            return probe, "outside"
        if (asked := self._balancer_probe(self.resource(record))) is not None:
            return asked
        key = (row.set_uid, row.model_version)
        if key not in self._sources:
            extension = health_source(self.made_from(row)[1])
            self._sources[key] = extension if extension and extension[1] == "inside" else None
        return self._sources[key]

    def _balancer_probe(self, resource: ScaleSetResource) -> tuple[ProbeSettings, HealthSource] | None:
        """What the load balancer's probe asks that the set goes by: its settings are the balancer's, and count at
        once."""
        network = resource.profile.network_profile
        if network is None or network.health_probe is None:
            return None
        if self._probes_version != self._store.resources_version:
            self._probes, self._probes_version = {}, self._store.resources_version
        wanted = network.health_probe.id
        if wanted not in self._probes:
            probe = parse_resource_id(wanted)
            balancer = self._store.resource(top_of(probe))
            self._probes[wanted] = probe_settings(balancer.body, probe) if balancer else None
        found = self._probes[wanted]
        return (found, "outside") if found else None

    def _outside_probe(self, record: ScaleSet) -> ProbeSettings | None:
        version, settings = self._outside.get(record.uid, (0, None))
        if version != record.version:
            probe = self.resource(record).properties.external_health_probe
            settings = probe.settings() if probe else None
            self._outside[record.uid] = record.version, settings
        return settings

    def script(self, row: Instance, name: str, sequence: int) -> tuple[Extension, ScriptRequest]:
        """What the CustomScript extension of that name asks to be run on this instance. Its ``timeout_s`` is what
        is left of the time budget, which may be nothing."""
        _, resource = self.made_from(row)
        own = self._store.own_extension(row.set_uid, row.instance_id, name)
        profile = resource.profile.extension_profile
        extension = Extension.model_validate(own.whole_body) if own else profile.find(name)
        if extension is None:
            raise NotFound(f"Extension {name} is not in the model.", target=name)
        values = extension.properties
        parsed = parse_custom_script(
            values.settings, values.protected_settings, values.type_handler_version, extension.name
        )
        current = self._store.instance(row.set_uid, row.instance_id) or row
        budget_s = profile.extensions_time_budget.total_seconds()
        left_s = time_left_s(current, self.extensions_of(row), name, budget_s)
        return extension, ScriptRequest.of(parsed, name, sequence, left_s)


def _rebalances_zones(record: ScaleSet, resource: ScaleSetResource) -> bool:
    policy = resource.properties.resiliency_policy.automatic_zone_rebalancing_policy
    return policy.enabled and not record.is_rebalance_suspended
