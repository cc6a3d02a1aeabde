"""A whole Debian: systemd, stock cloud-init, OpenSSH."""

from __future__ import annotations

import time

import pytest
from bodies import SERVICE_HEALTH, SERVICE_PORT, admin, image_named, micro_set, script
from conftest import MakeSet
from system import User, wait_for

from orchestrator.images.build import DEFAULT_FOLDER
from orchestrator.images.catalogue import Catalogue

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


@pytest.mark.timeout(360)
def test_debian_runs_cloud_init_and_its_script_and_is_healthy(make_set: MakeSet) -> None:
    if not any(image.name == "debian-12" for image in Catalogue(DEFAULT_FOLDER).list()):
        pytest.skip("the image debian-12 is not built: vmss image build debian-12")
    user = User.new()
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
    assert debian.fetch(0, port=SERVICE_PORT) == "debian000000\n"

    def status() -> str:
        return debian.ssh(0, "cloud-init status || true", "azureuser", user.key)

    wait_for(lambda: "status: done" in status(), "cloud-init is done", WITHIN_S, 3)
    assert debian.ssh(0, "sudo cat /srv/told", "azureuser", user.key) == "hello from cloud-init\n"
    assert debian.ssh(0, "sudo id -un", "azureuser", user.key) == "root\n"
    debian.do("powerOff", 0)
    stops = [each["reason"] for each in debian.events() if each["kind"] == "stop" and each["phase"] == "after"]
    assert stops == ["powered off when asked"]
