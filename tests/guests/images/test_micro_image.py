"""The micro image by itself, on real QEMU: what its boot promises."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import paramiko
import pytest
from direct_guest import ADDRESS, DirectGuest, Login, an_identity, said, wait_for

from orchestrator.guest.seed import make_host_key
from orchestrator.model.guest import ImageFiles

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

#: The promise is 6 s on an idle core and is held by the bench; tests share their cores with others.
_BOOT_LIMIT_S = 20.0

CLOUD_CONFIG = b"""#cloud-config
write_files:
  - path: /etc/greeting
    permissions: "0600"
    content: "hello, 'world'\\n"
  - path: /srv/deep/er/tool
    permissions: "0755"
    owner: azureuser:azureuser
    encoding: b64
    content: IyEvYmluL3NoCmVjaG8gdG9vbAo=
  - path: /etc/greeting
    append: true
    content: "and again\\n"
runcmd:
  - echo "run as $(id -un)" >> /root/runs
  - [touch, "/root/a file"]
ssh_authorized_keys: []
packages: [nothing]
"""


def page(guest: DirectGuest) -> str | None:
    """What port 80 answers with; ``None`` while nothing does."""
    connection = http.client.HTTPConnection("127.0.0.1", guest.http_port, timeout=0.5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def wait_for_line(guest: DirectGuest, line: str) -> None:
    wait_for(lambda: True if line in guest.console else None, 30, f"line '{line}' on the console")


def test_a_micro_guest_serves_its_name_soon_after_its_start_in_96_mib(
    micro: ImageFiles, agent_public_key: str, tmp_path: Path
) -> None:
    started = time.monotonic()
    with DirectGuest(tmp_path, micro, an_identity(agent_public_key), memory_mib=96) as guest:
        answer = wait_for(lambda: page(guest), _BOOT_LIMIT_S, "page", every_s=0.02)
        took_s = time.monotonic() - started
    print(f"micro answered HTTP {took_s:.2f} s after its start")
    assert answer == "web000007\n"
    assert took_s < _BOOT_LIMIT_S


def test_a_micro_guest_becomes_who_its_seed_says_and_stays_so(
    micro: ImageFiles, agent_public_key: str, tmp_path: Path, login: Login
) -> None:
    host_key = make_host_key()
    identity = an_identity(agent_public_key, host_key, custom_data=CLOUD_CONFIG)
    guest = DirectGuest(tmp_path, micro, identity)
    with guest:
        wait_for(lambda: page(guest), _BOOT_LIMIT_S, "page")
        wait_for_line(guest, "first-boot commands ended with code 0")
        with login(guest.ssh_port, "root", host_key[1]) as root:
            assert said(root, "hostname") == "web000007"
            assert f"inet {ADDRESS}/24" in said(root, "ip -4 addr show eth0")
            assert "default via 10.0.2.2 dev eth0" in said(root, "ip route")
            assert said(root, "cat /etc/resolv.conf") == "nameserver 10.0.2.3"
            assert said(root, "cat /etc/machine-id") == identity.vm_uuid.replace("-", "")
            assert said(root, "cat /etc/greeting") == "hello, 'world'\nand again"
            assert said(root, "stat -c %a /etc/greeting") == "600"
            assert said(root, "stat -c '%U %G %a' /srv/deep/er/tool") == "azureuser azureuser 755"
            assert said(root, "/srv/deep/er/tool") == "tool"
            assert said(root, "cat /root/runs") == "run as root"
            assert said(root, "ls /root") == "a file\nruns"
            assert said(root, "stat -c %a /etc/shadow /etc/dropbear/dropbear_ed25519_host_key") == "600\n600"
            assert said(root, "wget -q -O- http://localhost/") == "web000007"
            said(root, "echo ours > /var/www/index.html; echo kept > /root/kept")
        with login(guest.ssh_port, "azureuser", host_key[1]) as admin:
            assert said(admin, "id -un; pwd") == "azureuser\n/home/azureuser"
        assert "were left out: packages" in guest.console
        guest.press_power_button()
        guest.wait_off(30)
        assert "powering off" in guest.console
    with guest:
        assert wait_for(lambda: page(guest), _BOOT_LIMIT_S, "page") == "ours\n"
        with login(guest.ssh_port, "root", host_key[1]) as root:
            assert said(root, "hostname; cat /root/runs /root/kept") == "web000007\nrun as root\nkept"
            assert said(root, "grep -c azureuser /etc/passwd") == "1"
            assert said(root, "dmesg | grep -ciE 'ext4.*(recover|error)' || true") == "0"


def test_a_micro_guest_shows_no_other_key_and_lets_in_no_stranger(
    micro: ImageFiles, agent_public_key: str, tmp_path: Path, login: Login
) -> None:
    host_key, other = make_host_key(), make_host_key()
    with DirectGuest(tmp_path, micro, an_identity(other[1], host_key, admin_keys=(agent_public_key,))) as guest:
        wait_for(lambda: page(guest), _BOOT_LIMIT_S, "page")
        with pytest.raises(paramiko.BadHostKeyException):
            login(guest.ssh_port, "azureuser", other[1])
        with pytest.raises(paramiko.AuthenticationException):
            login(guest.ssh_port, "root", host_key[1])
        with login(guest.ssh_port, "azureuser", host_key[1]) as admin:
            assert said(admin, "id -u") == "1000"


def test_a_script_in_custom_data_runs_once_and_a_larger_disk_is_filled(
    micro: ImageFiles, agent_public_key: str, tmp_path: Path, login: Login
) -> None:
    host_key = make_host_key()
    script = b'#!/bin/sh\necho "served by $(hostname)" > /var/www/index.html\nexit 3\n'
    guest = DirectGuest(tmp_path, micro, an_identity(agent_public_key, host_key, custom_data=script))
    guest.overlay(disk_gib=5)
    with guest:
        wait_for_line(guest, "first-boot commands ended with code 3")
        assert page(guest) == "served by web000007\n"
        with login(guest.ssh_port, "root", host_key[1]) as root:
            size = wait_for(lambda: grown(root), 30, "larger file system", every_s=0.5)
            assert said(root, "cat /var/lib/vmss/custom-data") == script.decode().strip()
            said(root, "sed -i /httpd/d /etc/inittab; kill -HUP 1; killall httpd")
            wait_for(lambda: True if page(guest) is None else None, 10, "silence on port 80")
            said(root, "mkdir /tmp/own; echo own > /tmp/own/index.html; httpd -p 80 -h /tmp/own")
            assert wait_for(lambda: page(guest), 10, "page of one's own server") == "own\n"
    assert size > 4.5 * 1024 * 1024


def grown(root: paramiko.SSHClient) -> int | None:
    """The root file system's size in KiB once it is larger than the image's."""
    size = int(said(root, "df -k / | tail -n 1").split()[1])
    return size if size > 3 * 1024 * 1024 else None


def test_a_guest_whose_plug_was_pulled_starts_again_with_what_it_had_synced(
    micro: ImageFiles, agent_public_key: str, tmp_path: Path, login: Login
) -> None:
    host_key = make_host_key()
    guest = DirectGuest(tmp_path, micro, an_identity(agent_public_key, host_key))
    with guest:
        wait_for(lambda: page(guest), _BOOT_LIMIT_S, "page")
        with login(guest.ssh_port, "root", host_key[1]) as root:
            said(root, "echo kept > /root/kept; sync")
    with guest:
        wait_for(lambda: page(guest), _BOOT_LIMIT_S, "page")
        with login(guest.ssh_port, "root", host_key[1]) as root:
            assert said(root, "cat /root/kept; hostname") == "kept\nweb000007"


def test_a_guest_without_a_seed_says_so_on_its_console(
    micro: ImageFiles, agent_public_key: str, tmp_path: Path
) -> None:
    guest = DirectGuest(tmp_path, micro, an_identity(agent_public_key))
    (tmp_path / "seed.iso").write_bytes(bytes(65_536))
    with guest:
        wait_for_line(guest, "no NoCloud seed was found")
