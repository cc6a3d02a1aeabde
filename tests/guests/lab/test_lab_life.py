"""A lab comes up whole, goes away whole, and keeps to itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import libvirt
import psutil
import pytest
import yaml
from pyroute2 import IPRoute

from orchestrator.errors import LabError
from orchestrator.lab import Lab, network

pytestmark = pytest.mark.real

Traces = Callable[[Lab], list[str]]


def test_a_lab_that_goes_down_leaves_nothing_behind(
    absent_lab: Lab, traces: Traces, start_guest: Callable[[Lab, str, str], libvirt.virDomain]
) -> None:
    assert traces(absent_lab) == []
    absent_lab.up(2)
    start_guest(absent_lab, "h2", "left-running")
    assert traces(absent_lab) != []
    absent_lab.down()
    assert traces(absent_lab) == []


def test_going_down_twice_is_as_good_as_once(absent_lab: Lab, traces: Traces) -> None:
    absent_lab.up(1)
    absent_lab.down()
    said: list[str] = []
    absent_lab.down(said.append)
    assert said == []
    assert traces(absent_lab) == []


def test_coming_up_twice_takes_no_step_and_disturbs_nothing(lab: Lab) -> None:
    def running() -> list[tuple[int, float]]:
        kin = [lab.holder(each.name) for each in lab.hosts()]
        return [(each.pid, each.create_time()) for one in kin for each in [one, *one.children(recursive=True)]]

    before, said = running(), list[str]()
    lab.up(say=said.append)
    assert said == []
    assert running() == before


def test_a_lab_asked_to_come_up_in_another_shape_refuses(lab: Lab) -> None:
    with pytest.raises(LabError, match="is there with hosts 2, not 3: take it down first"):
        lab.up(3)
    assert lab.status().is_up


def test_every_hosts_libvirt_answers_from_outside_with_its_pool_and_network(lab: Lab) -> None:
    uuids = set()
    for host in yaml.safe_load(lab.config_path.read_text())["hosts"]:
        connection = libvirt.open(host["uri"])
        assert connection.getHostname() == host["name"]
        pool = connection.storagePoolLookupByName(host["pool"])
        assert pool.isActive()
        assert 0.8 * 1024**3 < pool.info()[1] <= 1024**3, (
            "the pool is as large as asked, and not the machine's disk"
        )
        assert pool.listAllVolumes() == []
        assert connection.networkLookupByName(host["network"]).isActive()
        offered = {path.stem for path in Path("/etc/libvirt/nwfilter").glob("*.xml")}
        assert offered <= {each.name() for each in connection.listAllNWFilters()}
        uuids.add(ElementTree.fromstring(connection.getCapabilities()).findtext("host/uuid"))
        connection.close()
    assert len(uuids) == 2, "each host has a UUID of its own"


def test_only_root_may_ask_a_hosts_libvirt(lab: Lab) -> None:
    sockets = list(lab.folder.glob("hosts/*/run/libvirt-*sock*"))
    assert sockets
    assert {str(each): oct(each.stat().st_mode & 0o077) for each in sockets} == dict.fromkeys(
        map(str, sockets), "0o0"
    )


def test_hosts_see_each_other_on_the_fabric(lab: Lab) -> None:
    for number, name in enumerate(["h1", "h2"], start=1):
        added = lab.run(name, ["ip", "addr", "replace", f"10.90.0.{100 + number}/16", "dev", "br0"])
        assert added.returncode == 0, added.stderr
    arrived = _talk(lab, "h1", "h2", "10.90.0.102")
    assert arrived == b"hello from h1"
    assert _talk(lab, "controller", "h2", "10.90.0.102") == b"hello from controller"


def test_a_bridge_forwards_at_once(lab: Lab) -> None:
    for namespace, bridge in ((lab.namespace, "fabric"), (f"{lab.namespace}-h1", "br0")):
        link = network.inside(namespace, lambda ip, b=bridge: next(iter(ip.get_links(ifname=b))))
        data = link.get(("linkinfo", "data"))
        assert (data.get("br_stp_state"), data.get("br_forward_delay")) == (0, 0)


def test_no_way_leads_from_the_machine_into_the_lab_nor_out_of_it(lab: Lab) -> None:
    with IPRoute() as machine:
        names = {link.get("ifname") for link in machine.get_links()}
        targets = {str(route.get("dst")) for route in machine.get_routes()}
    assert names.isdisjoint({"fabric", "br0", "uplink", "h1", "h2"})
    assert not any(target.startswith("10.90.") for target in targets)
    for namespace in (lab.namespace, f"{lab.namespace}-h1"):
        routes = network.inside(namespace, lambda ip: [route.get("dst") for route in ip.get_routes(family=2)])
        assert None not in routes, "no default route"


def test_two_labs_live_side_by_side_and_one_goes_alone(lab: Lab, absent_lab: Lab) -> None:
    absent_lab.up(1)
    assert lab.status().is_up
    assert absent_lab.status().is_up
    absent_lab.down()
    assert lab.status().is_up
    assert libvirt.open(lab.uri("h1")).getHostname() == "h1"


def test_a_namespace_of_someone_else_stops_the_lab_and_stays(absent_lab: Lab) -> None:
    network.create(absent_lab.namespace)
    try:
        network.add_bridge(absent_lab.namespace, "theirs")
        with pytest.raises(LabError, match="not this lab's: choose another name"):
            absent_lab.up(1)
        absent_lab.down()
        assert absent_lab.namespace in network.names()
        assert not absent_lab.folder.exists()
    finally:
        network.remove(absent_lab.namespace)


def test_a_lab_of_the_same_name_in_another_folder_is_not_disturbed(lab: Lab, tmp_path: Path) -> None:
    namesake = Lab(lab.name, Path(f"/tmp/labs-{os.getpid()}"))
    with pytest.raises(LabError, match="choose another name"):
        namesake.up(1)
    namesake.down()
    assert lab.status().is_up


def test_going_down_ends_what_runs_by_the_fabric(absent_lab: Lab, traces: Traces) -> None:
    absent_lab.up(1)
    with subprocess.Popen(absent_lab.entering("controller", ["sleep", "1000"])) as daemon:
        _wait_for_name(daemon.pid, "sleep")
        absent_lab.down()
        assert daemon.wait(5) == -15
    assert traces(absent_lab) == []


@pytest.mark.parametrize("loss", ["absent", "truncated"])
def test_a_lab_whose_record_is_lost_still_goes_down(absent_lab: Lab, traces: Traces, loss: str) -> None:
    absent_lab.up(1)
    record = absent_lab.layout.record
    record.write_text(record.read_text()[:40])
    with pytest.raises(LabError, match="is damaged"):
        absent_lab.up()
    if loss == "absent":
        record.unlink()
    absent_lab.down()
    assert traces(absent_lab) == []


def test_a_lab_whose_whole_folder_is_lost_still_goes_down(absent_lab: Lab, traces: Traces) -> None:
    absent_lab.up(1)
    # The pool's image stays in use; its name is gone, as after a hasty rm -r.
    subprocess.run(["rm", "-r", str(absent_lab.folder)], check=True)
    absent_lab.down()
    assert traces(absent_lab) == []


def test_a_command_on_a_host_keeps_its_input_output_and_exit_code(lab: Lab) -> None:
    argv = [sys.executable, "-m", "orchestrator.cli.lab", "exec", "--name", lab.name]
    argv += ["--root", str(lab.layout.root), "h2", "--", "sh", "-c", "cat; hostname; echo oops >&2; exit 7"]
    done = subprocess.run(argv, input=b"in\n", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, b"in\nh2\n", b"oops\n")


def test_a_command_on_a_host_that_is_not_there_is_refused_with_those_that_are(lab: Lab) -> None:
    with pytest.raises(LabError, match="has no host 'h9'; it has h1, h2"):
        lab.run("h9", ["true"])


def _wait_for_name(pid: int, name: str) -> None:
    from orchestrator.lab.processes import wait_until

    wait_until(lambda: psutil.Process(pid).name() == name, 5, f"no {name}")


def _talk(lab: Lab, sender: str, receiver: str, address: str) -> bytes:
    """Send a line over TCP from one place of the lab to another; what arrived."""
    serve = (
        "import socket; s = socket.create_server(('0.0.0.0', 7000)); s.settimeout(10); print('ready', flush=True);"
        "c, _ = s.accept(); print(c.recv(100).decode(), end='')"
    )
    send = f"import socket; socket.create_connection(('{address}', 7000), 5).sendall(b'hello from {sender}')"
    with subprocess.Popen(
        lab.entering(receiver, [sys.executable, "-c", serve]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        done = lab.run(sender, [sys.executable, "-c", send])
        assert done.returncode == 0, done.stderr
        return server.communicate(timeout=10)[0]
