"""What is remembered of domains, and how events and counters are read."""

from __future__ import annotations

import libvirt
import pytest

from orchestrator.hosts.libvirt.counters import read
from orchestrator.hosts.libvirt.events import lifecycle_meaning
from orchestrator.hosts.libvirt.facts import FactsCache
from orchestrator.hosts.libvirt.viewing import power_of
from orchestrator.model.guest import HostEventKind, Owner, Power

MINE = "0a0b0c0d"


class FakeDomain:
    """A domain that counts how often its definition is read, and may be redefined while it is."""

    def __init__(self, uuid: str, installation: str | None = MINE) -> None:
        self.uuid = uuid
        self.reads = 0
        self.generation = 1
        self.installation = installation
        self.during_read = lambda: None

    def UUIDString(self) -> str:  # noqa: N802
        return self.uuid

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802
        self.reads += 1
        tag = (
            f"<metadata><instance xmlns='urn:vmss:instance:1' installation='{self.installation}' "
            f"set_uid='0123456789ab' instance_id='1' generation='{self.generation}'/></metadata>"
            if self.installation
            else ""
        )
        text = f"<domain><name>web_1</name>{tag}<memory unit='KiB'>98304</memory><vcpu>2</vcpu></domain>"
        self.during_read()
        return text


def test_a_definition_is_read_once() -> None:
    cache, domain = FactsCache(), FakeDomain("u1")
    first, again = cache.of(domain), cache.of(domain)
    assert first == again
    assert (first.memory_mib, first.vcpus, first.owner) == (96, 2, Owner(MINE, "0123456789ab", 1, 1))
    assert domain.reads == 1


def test_a_redefined_domain_is_read_again() -> None:
    cache, domain = FactsCache(), FakeDomain("u1")
    cache.of(domain)
    domain.generation = 2
    cache.forget("u1")
    assert cache.of(domain).owner.generation == 2
    cache.forget_all()
    cache.of(domain)
    assert domain.reads == 3


def test_a_redefinition_during_the_reading_is_not_lost() -> None:
    cache, domain = FactsCache(), FakeDomain("u1")

    def redefine() -> None:
        domain.generation = 2
        cache.forget("u1")
        domain.during_read = lambda: None

    domain.during_read = redefine
    cache.of(domain)
    assert cache.of(domain).owner.generation == 2


@pytest.mark.parametrize(
    ("event", "detail", "kind"),
    [
        (libvirt.VIR_DOMAIN_EVENT_STARTED, 0, HostEventKind.GUEST_STARTED),
        (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED, HostEventKind.GUEST_CRASHED),
        (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED, HostEventKind.GUEST_CRASHED),
        (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED, HostEventKind.GUEST_SAVED),
        (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN, HostEventKind.GUEST_STOPPED),
        (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED, HostEventKind.GUEST_STOPPED),
        (libvirt.VIR_DOMAIN_EVENT_CRASHED, 0, HostEventKind.GUEST_CRASHED),
        (libvirt.VIR_DOMAIN_EVENT_UNDEFINED, 0, HostEventKind.GUEST_REMOVED),
    ],
)
def test_each_lifecycle_event_has_its_meaning(event: int, detail: int, kind: HostEventKind) -> None:
    assert lifecycle_meaning(event, detail)[0] is kind


def test_an_event_that_changes_nothing_means_nothing() -> None:
    assert lifecycle_meaning(libvirt.VIR_DOMAIN_EVENT_DEFINED, 0) is None
    assert lifecycle_meaning(libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED, 0) is None


@pytest.mark.parametrize(
    ("state", "reason", "power"),
    [
        (libvirt.VIR_DOMAIN_RUNNING, 1, Power.RUNNING),
        (libvirt.VIR_DOMAIN_SHUTDOWN, 0, Power.RUNNING),
        (libvirt.VIR_DOMAIN_PAUSED, 1, Power.PAUSED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED, Power.SHUT_OFF),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, Power.CRASHED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED, Power.CRASHED),
        (libvirt.VIR_DOMAIN_CRASHED, 0, Power.CRASHED),
    ],
)
def test_each_state_has_its_power(state: int, reason: int, power: Power) -> None:
    assert power_of({"state.state": state, "state.reason": reason}) is power


@pytest.mark.parametrize(
    ("state", "reason", "power"),
    [
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SAVED, Power.SAVED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_UNKNOWN, Power.SAVED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FAILED, Power.SAVED),
        (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED, Power.CRASHED),
        (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_RESTORED, Power.RUNNING),
    ],
)
def test_saved_memory_counts_for_a_guest_that_is_off_and_did_not_crash_after(
    state: int, reason: int, power: Power
) -> None:
    assert power_of({"state.state": state, "state.reason": reason}, is_saved=True) is power


class FakeCall:
    """A call whose connection answers one bulk question."""

    def __init__(self, answer: list[tuple[FakeDomain, dict[str, int]]]) -> None:
        self._answer = answer

    @property
    def connection(self) -> FakeCall:
        return self

    def getAllDomainStats(self, _groups: int, _flags: int) -> list[tuple[FakeDomain, dict[str, int]]]:  # noqa: N802
        return self._answer


COUNTERS = {
    "cpu.time": 2_500_000_000,
    "balloon.rss": 2048,
    "block.count": 2,
    "block.0.rd.bytes": 10,
    "block.1.rd.bytes": 5,
    "block.0.wr.bytes": 7,
    "net.count": 1,
    "net.0.rx.bytes": 3,
    "net.0.tx.bytes": 4,
}


def test_counters_are_summed_over_disks_and_cards() -> None:
    (found,) = read(FakeCall([(FakeDomain("u1"), COUNTERS)]), FactsCache(), MINE)
    assert (found.cpu_time_s, found.memory_rss_mib) == (2.5, 2.0)
    assert (found.disk_read_bytes, found.disk_write_bytes) == (15, 7)
    assert (found.net_rx_bytes, found.net_tx_bytes) == (3, 4)


def test_guests_of_others_and_guests_that_did_not_answer_are_left_out() -> None:
    silent = {"cpu.time": 1, "net.count": 0}
    answer = [
        (FakeDomain("u1", installation=None), COUNTERS),
        (FakeDomain("u2", installation="ffffffff"), COUNTERS),
        (FakeDomain("u3"), silent),
        (FakeDomain("u4"), COUNTERS),
    ]
    assert [each.uuid for each in read(FakeCall(answer), FactsCache(), MINE)] == ["u4"]
