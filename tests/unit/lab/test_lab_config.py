"""The daemon's configuration that a lab writes."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest
import yaml

from orchestrator.config import Config
from orchestrator.errors import LabError
from orchestrator.lab import buildup, config, https, record
from orchestrator.lab.layout import LabLayout
from orchestrator.lab.record import LabRecord

LAYOUT = LabLayout("lab", Path("/srv/labs"))


def test_hosts_take_zones_in_turn_and_each_is_a_fault_domain() -> None:
    hosts = yaml.safe_load(config.as_yaml(LAYOUT, LabRecord("lab", hosts=5, zones=2)))["hosts"]
    assert [host["name"] for host in hosts] == ["h1", "h2", "h3", "h4", "h5"]
    assert [host["zone"] for host in hosts] == ["1", "2", "1", "2", "1"]
    assert [host["fault_domain"] for host in hosts] == [0, 1, 2, 3, 4]


def test_hosts_state_what_they_may_promise() -> None:
    wanted = LabRecord("lab", hosts=1, memory_mib=3000, vcpus=12)
    host = yaml.safe_load(config.as_yaml(LAYOUT, wanted))["hosts"][0]
    assert host["limits"] == {"memory_mib": 3000, "vcpus": 12}
    assert host["uri"] == LAYOUT.host(1).uri


def test_a_lab_has_public_addresses_and_its_guests_ask_the_fabric_for_names() -> None:
    data = yaml.safe_load(config.as_yaml(LAYOUT, LabRecord("lab", hosts=1)))
    made = Config.model_validate(data)
    assert made.public_pool().machine_address("10.91.0.7") == "127.91.0.7"
    assert made.public_pool().take(1, "IPv6", ()) == ["fd91::1"]
    assert made.dns_listen == made.networks[0].dns == ("10.90.0.1",)


def test_everything_of_the_daemon_lies_in_the_labs_folder() -> None:
    data = yaml.safe_load(
        config.as_yaml(LAYOUT, LabRecord("lab", listen="127.0.0.1:8080", images_dir="/srv/images"))
    )
    assert data["state_dir"] == "/srv/labs/lab/state"
    assert data["socket"] == "/srv/labs/lab/vmssd.sock"
    assert data["network_namespace"] == "vmss-lab"
    assert data["images_dir"] == "/srv/images"
    assert data["listen"] == "127.0.0.1:8080"


def test_guests_addresses_lie_within_the_fabric_and_leave_the_controllers_out() -> None:
    network = yaml.safe_load(config.as_yaml(LAYOUT, LabRecord("lab")))["networks"][0]
    fabric = ipaddress.ip_network(network["cidr"])
    first, last = ipaddress.ip_address(network["first"]), ipaddress.ip_address(network["last"])
    assert first in fabric
    assert last in fabric
    assert ipaddress.ip_address("10.90.0.1") < first < last
    assert network["gateway"] == "10.90.0.1"


@pytest.mark.parametrize("https", [None, "127.0.0.1:9443"])
def test_the_daemon_serves_https_where_the_record_says(https: str | None) -> None:
    assert yaml.safe_load(config.as_yaml(LAYOUT, LabRecord("lab", https=https)))["https_listen"] == https


@pytest.mark.parametrize(
    ("hosts", "zones", "pool_gib"), [(0, None, None), (33, None, None), (2, 3, None), (2, 0, None), (1, 1, 0)]
)
def test_a_lab_of_impossible_size_is_refused(hosts: int, zones: int | None, pool_gib: int | None) -> None:
    with pytest.raises(LabError):
        buildup.new_record("lab", hosts, zones, pool_gib)


def test_hosts_share_the_machines_memory() -> None:
    one, three = buildup.new_record("lab", 1, None, None), buildup.new_record("lab", 3, None, None)
    assert one.memory_mib // 3 == pytest.approx(three.memory_mib, abs=1)
    assert three.pool_gib == 8


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:80", "8080", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:x", "localhost:1"]
)
def test_the_api_listens_on_loopback_alone(listen: str) -> None:
    with pytest.raises(LabError, match=r"127\.0\.0\.1:PORT"):
        buildup.check_listen(listen)


@pytest.mark.parametrize("asked", ["8443", "127.0.0.1:0", "localhost:8443", "127.0.0.1:x", "on", ""])
def test_https_needs_an_address_and_a_port(asked: str) -> None:
    with pytest.raises(LabError, match="ADDRESS:PORT, or off"):
        https.check(asked)


@pytest.mark.parametrize(
    ("asked", "kept"), [("off", None), ("127.0.0.1:9443", "127.0.0.1:9443"), ("[::1]:1", "[::1]:1")]
)
def test_https_is_where_it_was_asked_for_or_off(asked: str, kept: str | None) -> None:
    assert https.check(asked) == kept


def test_a_second_lab_leaves_the_port_to_the_first(tmp_path: Path) -> None:
    first = LabLayout("first", tmp_path)
    first.folder.mkdir()
    record.save(first.record, LabRecord("first", https=https.DEFAULT))
    said: list[str] = []
    assert https.choose(tmp_path, "second", said.append) is None
    assert "lab 'first'" in said[0]


def test_a_new_lab_leaves_the_port_to_a_program_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(https, "DEFAULT", f"127.0.0.1:{taken.getsockname()[1]}")
        assert https.choose(tmp_path, "new", said.append) is None
    assert "another program" in said[0]
    assert https.choose(tmp_path, "new", said.append) == https.DEFAULT
