"""A whole Debian: systemd, stock cloud-init, OpenSSH."""

from __future__ import annotations

import socket
import time

import pytest
from bodies import SERVICE_HEALTH, SERVICE_PORT, admin, image_named, micro_set, script
from conftest import MakeSet
from system import TestedSet, User, in_namespace, wait_for

from orchestrator.images.build import DEFAULT_FOLDER
from orchestrator.images.catalogue import Catalogue
from orchestrator.lab import Lab

SERVICE = """#!/bin/bash
mkdir -p /srv/www
hostname >/srv/www/index.html
systemd-run --unit=page python3 -m http.server 8080 --directory /srv/www
"""
CLOUD_CONFIG = """#cloud-config
write_files:
  - path: /srv/greeting
    content: "hello from cloud-init\\n"
runcmd:
  - [sh, -c, "cat /srv/greeting >/srv/told"]
"""
WITHIN_S = 300.0
_EVERY_KIND = 3  # ETH_P_ALL of linux/if_ether.h


MARK, HONEST = b"vmss-other-kind", b"vmss-honest-last"
# What is not the guest's to send, and then what is: a tagged frame with a false address in it, one of a kind for
# experiments, an answer of a DHCP server.
FRAMES = """
import glob, socket, struct
name = next(each.split("/")[4] for each in glob.glob("/sys/class/net/*/address") if "/lo/" not in each)
own = bytes.fromhex(open(f"/sys/class/net/{name}/address").read().strip().replace(":", ""))
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind((name, 0))
body = b"vmss-other-kind"
ends = bytes([10, 90, 14, 99, 10, 90, 0, 1])
false = struct.pack("!BBHHHBBH8s", 0x45, 0, 20 + len(body), 0, 0, 64, 253, 0, ends)
to_all = bytes([255] * 6) + own
raw.send(to_all + struct.pack("!HHH", 0x8100, 5, 0x0800) + false + body)
raw.send(to_all + struct.pack("!H", 0x88B5) + body + bytes(40))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 67))
server.sendto(body, ("10.90.0.1", 9))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"vmss-honest-last", ("10.90.0.1", 9))
"""


@pytest.fixture(scope="module")
def user() -> User:
    return User.new()


@pytest.fixture(scope="module")
def debian(make_set: MakeSet, user: User) -> TestedSet:
    if not any(image.name == "debian-12" for image in Catalogue(DEFAULT_FOLDER).list()):
        pytest.skip("the image debian-12 is not built: vmss image build debian-12")
    began = time.monotonic()
    debian = make_set(
        "debian",
        micro_set(
            1,
            script(SERVICE),
            SERVICE_HEALTH,
            image=image_named("debian-12"),
            size="Lab_Small",
            os_profile=admin(user.public, custom_data=CLOUD_CONFIG),
        ),
    )
    debian.wait_ready(0, is_healthy=True, within_s=WITHIN_S)
    print(f"healthy after {time.monotonic() - began:.0f} s")
    return debian


@pytest.mark.timeout(360)
def test_debian_runs_cloud_init_and_its_script_and_is_healthy(debian: TestedSet, user: User) -> None:
    assert debian.fetch(0, port=SERVICE_PORT) == "debian000000\n"

    def status() -> str:
        return debian.ssh(0, "cloud-init status || true", "azureuser", user.key)

    wait_for(lambda: "status: done" in status(), "cloud-init is done", WITHIN_S, 3)
    assert debian.ssh(0, "sudo cat /srv/told", "azureuser", user.key) == "hello from cloud-init\n"
    assert debian.ssh(0, "sudo id -un", "azureuser", user.key) == "root\n"


def test_nothing_leaves_a_guest_but_what_is_its_own_to_say(debian: TestedSet, lab: Lab) -> None:
    """The last frame is an honest one: when it is there, the others would be."""

    def listener() -> socket.socket:
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_KIND))
        found.bind(("fabric", 0))
        return found

    seen: list[bytes] = []
    with in_namespace(lab.namespace, listener) as packets:
        packets.settimeout(30)
        debian.run(0, f"python3 - <<'END'\n{FRAMES}END")
        while not any(HONEST in each for each in seen):
            seen.append(packets.recv(4096))
    assert [each.hex() for each in seen if MARK in each] == []


def test_debian_powers_off_when_asked(debian: TestedSet) -> None:
    debian.do("powerOff", 0)
    stops = [each["reason"] for each in debian.events() if each["kind"] == "stop" and each["phase"] == "after"]
    assert stops == ["powered off when asked"]
