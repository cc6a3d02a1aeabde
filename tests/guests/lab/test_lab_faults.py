"""Each fault does what it says, is shown, and heals."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import libvirt
import psutil
import pytest

from orchestrator.errors import LabError
from orchestrator.lab import (
    Lab,
    LabHostStatus,
    cut_host,
    fill_pool,
    find_guest,
    freeze_guest,
    kill_guest,
    power_off_host,
    slow_host,
    stop_host,
)
from orchestrator.lab.host import is_kvm_usable
from orchestrator.lab.processes import wait_until

pytestmark = pytest.mark.real

MIB = 1024**2


@pytest.fixture
def guest(lab: Lab, start_guest: Callable[[Lab, str, str], libvirt.virDomain]) -> Iterator[str]:
    """A guest on h1; the lab is healed and the guest gone at the end."""
    start_guest(lab, "h1", "web_3")
    yield "web_3"
    lab.heal()
    domain = libvirt.open(lab.uri("h1")).lookupByName("web_3")
    with suppress(libvirt.libvirtError):  # it may have ended
        domain.destroy()
    domain.undefine()


@pytest.fixture
def healed(lab: Lab) -> Iterator[Lab]:
    yield lab
    lab.heal()


def _host(lab: Lab, name: str) -> LabHostStatus:
    return next(each for each in lab.status().hosts if each.name == name)


def _state_of(lab: Lab, guest: str) -> int:
    return int(libvirt.open(lab.uri("h1")).lookupByName(guest).state()[0])


def _answers(lab: Lab, host: str) -> bool:
    """Whether a host's libvirt answers within two seconds."""
    script = f"import libvirt; libvirt.open('{lab.uri(host)}').getHostname()"
    try:
        done = subprocess.run([sys.executable, "-c", script], timeout=2, capture_output=True, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def test_a_killed_guest_is_gone_at_once_and_libvirt_knows(lab: Lab, guest: str) -> None:
    pid = find_guest(lab, guest).pid
    before = time.time()
    killed = kill_guest(lab, guest)
    assert before <= killed.at <= time.time()
    assert (killed.guest.host, killed.guest.pid) == ("h1", pid)
    wait_until(lambda: _state_of(lab, guest) == libvirt.VIR_DOMAIN_SHUTOFF, 5, "libvirt did not notice")
    assert not psutil.pid_exists(pid)
    assert lab.status().faults == ()


def test_a_guest_is_found_by_its_uuid_too(lab: Lab, guest: str) -> None:
    uuid = libvirt.open(lab.uri("h1")).lookupByName(guest).UUIDString()
    assert find_guest(lab, uuid).domain == guest


def test_a_guest_that_does_not_run_is_refused_with_those_that_do(lab: Lab, guest: str) -> None:
    with pytest.raises(LabError, match=rf"no guest 'web_4' runs in lab '{lab.name}'; running: {guest}"):
        kill_guest(lab, "web_4")


def test_two_guests_of_one_name_are_told_apart_by_uuid(
    healed: Lab, guest: str, start_guest: Callable[[Lab, str, str], libvirt.virDomain]
) -> None:
    twin = start_guest(healed, "h2", guest)
    try:
        with pytest.raises(LabError, match="more than once"):
            kill_guest(healed, guest)
        assert kill_guest(healed, twin.UUIDString()).guest.host == "h2"
    finally:
        wait_until(lambda: not twin.isActive(), 5, "libvirt did not notice")
        twin.undefine()


def test_a_frozen_guest_hangs_while_libvirt_takes_it_for_there(lab: Lab, guest: str) -> None:
    process = psutil.Process(find_guest(lab, guest).pid)
    freeze_guest(lab, guest)
    assert process.status() == psutil.STATUS_STOPPED
    assert [each.is_frozen for each in _host(lab, "h1").guests] == [True]
    assert [fault.kind for fault in lab.status().faults] == ["freeze-guest"]
    assert _state_of(lab, guest) != libvirt.VIR_DOMAIN_SHUTOFF

    lab.heal("h1")
    assert process.status() != psutil.STATUS_STOPPED
    assert lab.status().is_up


def test_a_stopped_hosts_guests_run_on_and_are_found_again(lab: Lab, guest: str) -> None:
    pid = find_guest(lab, guest).pid
    stop_host(lab, "h1")
    assert not _answers(lab, "h1")
    assert _answers(lab, "h2")
    seen = _host(lab, "h1")
    assert (seen.state, seen.is_wired, seen.is_libvirt_running) == ("silent", False, False)
    assert [each.pid for each in seen.guests] == [pid]

    lab.heal("h1")
    assert lab.status().is_up
    assert find_guest(lab, guest).pid == pid
    assert _state_of(lab, guest) != libvirt.VIR_DOMAIN_SHUTOFF


def test_a_cut_host_is_silent_and_refuses_nothing(lab: Lab, guest: str) -> None:
    pid = find_guest(lab, guest).pid
    cut_host(lab, "h1")
    begin = time.monotonic()
    assert not _answers(lab, "h1")
    assert time.monotonic() - begin >= 2, "it waits in vain; a refusal would come at once"
    seen = _host(lab, "h1")
    assert (seen.state, seen.is_wired, seen.is_libvirt_running) == ("silent", False, False)

    lab.heal()
    assert _answers(lab, "h1")
    assert find_guest(lab, guest).pid == pid


def test_a_host_cut_and_then_stopped_heals_of_both(healed: Lab) -> None:
    cut_host(healed, "h1")
    stop_host(healed, "h1")
    assert {fault.kind for fault in healed.heal("h1")} == {"cut-host", "stop-host"}
    assert healed.status().is_up
    assert _answers(healed, "h1")


def test_a_host_without_power_loses_its_guests_and_keeps_its_files(lab: Lab, guest: str) -> None:
    pid = find_guest(lab, guest).pid
    power_off_host(lab, "h1")
    assert not psutil.pid_exists(pid)
    assert _host(lab, "h1").state == "off"
    with pytest.raises(LabError, match=r"host 'h1' of lab .* is off"):
        lab.run("h1", ["true"])
    with pytest.raises(LabError, match="is off"):
        stop_host(lab, "h1")

    lab.heal("h1")
    assert lab.status().is_up
    assert _state_of(lab, guest) == libvirt.VIR_DOMAIN_SHUTOFF


def test_coming_up_heals_every_fault(healed: Lab) -> None:
    cut_host(healed, "h1")
    power_off_host(healed, "h2")
    fill_pool(healed, "h1")
    healed.up()
    assert healed.status().is_up


def test_a_filled_pool_takes_no_volume_until_it_is_healed(healed: Lab) -> None:
    volume = (
        "<volume><name>new</name><capacity unit='MiB'>64</capacity><allocation unit='MiB'>64</allocation></volume>"
    )
    pool = libvirt.open(healed.uri("h1")).storagePoolLookupByName("vmss")
    fill_pool(healed, "h1")
    assert _host(healed, "h1").pool_free_bytes < MIB
    with pytest.raises(libvirt.libvirtError, match="No space left"):
        pool.createXML(volume)
    pool.refresh()
    assert pool.listVolumes() == [], "the file that fills the pool is no volume of it"

    healed.heal("h1")
    pool.createXML(volume).delete()
    assert _host(healed, "h1").pool_free_bytes > 800 * MIB


def test_a_pool_is_filled_up_to_the_room_that_was_asked_for(healed: Lab) -> None:
    fill_pool(healed, "h1", leave_mib=100)
    assert _host(healed, "h1").pool_free_bytes == pytest.approx(100 * MIB, abs=MIB)
    fill_pool(healed, "h1", leave_mib=200)
    assert _host(healed, "h1").pool_free_bytes == pytest.approx(200 * MIB, abs=MIB)
    assert len(healed.status().faults) == 1


def test_a_slow_hosts_wire_carries_what_was_said_each_way(healed: Lab) -> None:
    healed.run("h2", ["ip", "addr", "replace", "10.90.0.102/16", "dev", "br0"])
    assert _seconds_for(healed, "controller", "h2", "10.90.0.102") < 0.5
    slow_host(healed, "h2", kbit=2000)
    # 1 MB at 2 Mbit/s: 4 s, less what queue and bucket swallow.
    for sender, receiver, address in (("controller", "h2", "10.90.0.102"), ("h2", "controller", "10.90.0.1")):
        assert 3 < _seconds_for(healed, sender, receiver, address) < 8
    healed.heal("h2")
    assert _seconds_for(healed, "controller", "h2", "10.90.0.102") < 0.5


def test_frames_are_delayed_or_the_kernel_is_said_to_be_unable(healed: Lab) -> None:
    healed.run("h2", ["ip", "addr", "replace", "10.90.0.102/16", "dev", "br0"])
    try:
        slow_host(healed, "h2", delay_ms=200)
    except LabError as error:
        assert "no netem" in error.message
        assert healed.status().faults == ()
        return
    connect = "import socket, time; t = time.time(); s = socket.socket(); s.settimeout(5);"
    connect += "print(s.connect_ex(('10.90.0.102', 9)), time.time() - t)"
    seconds = float(healed.run("controller", [sys.executable, "-c", connect]).stdout.split()[1])
    assert seconds > 0.35


@pytest.mark.parametrize(("kbit", "delay_ms"), [(None, None), (100, 100), (0, None), (None, -1)])
def test_a_slowness_that_makes_no_sense_is_refused(lab: Lab, kbit: int | None, delay_ms: int | None) -> None:
    with pytest.raises(LabError):
        slow_host(lab, "h1", kbit=kbit, delay_ms=delay_ms)
    assert lab.status().is_up


def test_faults_are_made_and_healed_from_the_command_line(healed: Lab, guest: str) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "orchestrator.cli.lab", *arguments]
        argv += ["--name", healed.name, "--root", str(healed.layout.root)]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    assert run("fault", "freeze-guest", guest).returncode == 0
    shown = run("status").stdout
    assert f"{guest} (frozen)" in shown
    assert "fault in force: freeze-guest h1" in shown
    assert "healed: freeze-guest h1" in run("heal", "h1").stderr
    before = time.time()
    assert before <= float(run("fault", "kill-guest", guest).stdout) <= time.time()
    refused = run("fault", "cut-host", "h7")
    assert (refused.returncode, refused.stderr) == (
        1,
        f"error: lab '{healed.name}' has no host 'h7'; it has h1, h2\n",
    )


def test_a_host_offers_kvm_only_where_the_processor_has_it(lab: Lab) -> None:
    connection = libvirt.open(lab.uri("h1"))
    offered = "<domain type='kvm'" in connection.getCapabilities()
    assert offered == is_kvm_usable()


def test_libvirt_keeps_what_it_learned_of_qemu(lab: Lab, guest: str) -> None:
    cache = lab.layout.host(1).folder / "cache" / "qemu" / "capabilities"
    learned = {each.name: each.stat().st_mtime_ns for each in cache.iterdir()}
    domain = libvirt.open(lab.uri("h1")).lookupByName(guest)
    domain.destroy()
    domain.create()
    assert {each.name: each.stat().st_mtime_ns for each in cache.iterdir()} == learned


def _seconds_for(lab: Lab, sender: str, receiver: str, address: str) -> float:
    """How long 1 MB takes over TCP from one place of the lab to another."""
    serve = (
        "import socket, time; s = socket.create_server(('0.0.0.0', 7000)); s.settimeout(10); print(flush=True);"
        "c, _ = s.accept(); t = time.time()\nwhile c.recv(65536): pass\nprint(time.time() - t)"
    )
    send = f"import socket; socket.create_connection(('{address}', 7000), 5).sendall(bytes(10**6))"
    with subprocess.Popen(
        lab.entering(receiver, [sys.executable, "-c", serve]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        done = lab.run(sender, [sys.executable, "-c", send])
        assert done.returncode == 0, done.stderr
        return float(server.communicate(timeout=30)[0])
