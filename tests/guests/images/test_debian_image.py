"""The debian-12 image by itself, on real QEMU: stock cloud-init reads our seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from direct_guest import ADDRESS, DirectGuest, Login, an_identity, banner, said, wait_for

from orchestrator.guest.seed import make_host_key
from orchestrator.model.guest import ImageFiles

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

CLOUD_CONFIG = b"""#cloud-config
write_files:
  - path: /etc/greeting
    content: hello
runcmd:
  - [sh, -c, "id -un > /root/runs"]
"""


def test_stock_cloud_init_takes_identity_and_custom_data_from_our_seed(
    debian: ImageFiles, agent_public_key: str, tmp_path: Path, login: Login
) -> None:
    host_key = make_host_key()
    identity = an_identity(agent_public_key, host_key, custom_data=CLOUD_CONFIG)
    with DirectGuest(tmp_path, debian, identity, memory_mib=512) as guest:
        wait_for(lambda: banner(guest.ssh_port), 240, "SSH banner")
        with login(guest.ssh_port, "root", host_key[1]) as root:
            status = said(root, "cloud-init status --wait --long", timeout_s=240)
            assert "status: done" in status
            assert said(root, "cat /run/cloud-init/result.json | tr -d ' \\n'").endswith('"errors":[]}}')
            assert said(root, "hostname") == "web000007"
            assert f"inet {ADDRESS}/24" in said(root, "ip -4 addr show eth0")
            assert "default via 10.0.2.2" in said(root, "ip route")
            assert "10.0.2.3" in said(root, "resolvectl dns eth0")
            assert said(root, "cat /etc/greeting /root/runs") == "helloroot"
            assert said(root, "cmp /var/lib/vmss/custom-data - && echo same", CLOUD_CONFIG) == "same"
            assert said(root, "ls /etc/ssh/ssh_host_*_key") == "/etc/ssh/ssh_host_ed25519_key"
            assert said(root, "systemctl --failed --plain --no-legend") == ""
        with login(guest.ssh_port, "azureuser", host_key[1]) as admin:
            assert said(admin, "sudo -n id -u") == "0"
        guest.press_power_button()
        guest.wait_off(90)
