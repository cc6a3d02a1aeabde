"""What is left in the kernel when a host is gone."""

from __future__ import annotations

from pathlib import Path

from orchestrator.lab.leftovers import unload_profiles


def test_only_profiles_of_guests_are_unloaded(tmp_path: Path) -> None:
    profiles = tmp_path / "hosts" / "h1" / "apparmor"
    profiles.mkdir(parents=True)
    for name in ("TEMPLATE.qemu", "libvirt-6f1d2c", "libvirt-6f1d2c.files"):
        (profiles / name).touch()
    remove = tmp_path / "remove"
    remove.touch()
    unload_profiles(tmp_path, remove)
    assert remove.read_text() == "libvirt-6f1d2c"


def test_a_machine_without_apparmor_is_left_alone(tmp_path: Path) -> None:
    profiles = tmp_path / "hosts" / "h1" / "apparmor"
    profiles.mkdir(parents=True)
    (profiles / "libvirt-6f1d2c").touch()
    unload_profiles(tmp_path, tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
