"""KVM only where the CPU has it, whatever libvirt offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.hosts.libvirt import acceleration
from orchestrator.hosts.libvirt.acceleration import choose_accelerator, is_local

LOCAL = "qemu+unix:///system?socket=/run/x"
REMOTE = "qemu+ssh://root@box/system"


class FakeConnection:
    """Answers with a host CPU, its expansion and the offered domain types."""

    def __init__(
        self, features: str = "", expanded: str = "", offered: str = "qemu kvm", arch: str = "x86_64"
    ) -> None:
        domains = "".join(f"<domain type='{kind}'/>" for kind in offered.split())
        self._capabilities = (
            f"<capabilities><host><cpu><arch>{arch}</arch><model>EPYC</model>{_listed(features)}</cpu></host>"
            f"<guest><arch name='{arch}'>{domains}</arch></guest></capabilities>"
        )
        self._expanded = f"<cpu><model>EPYC</model>{_listed(features + ' ' + expanded)}</cpu>"

    def getCapabilities(self) -> str:  # noqa: N802
        return self._capabilities

    def baselineCPU(self, cpus: list[str], flags: int) -> str:  # noqa: N802
        assert len(cpus) == 1
        return self._expanded


def _listed(features: str) -> str:
    marked = [each.partition("!") for each in features.split()]
    return "".join(f"<feature policy='{'disable' if off else 'require'}' name='{a or b}'/>" for a, off, b in marked)


@pytest.fixture
def kvm_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(acceleration, "_KVM_DEVICE", device)
    return device


@pytest.mark.parametrize("feature", ["svm", "vmx"])
def test_a_cpu_with_hardware_virtualisation_gets_kvm(feature: str, kvm_device: Path) -> None:
    assert choose_accelerator(FakeConnection(features=feature), LOCAL, "auto").kind == "kvm"
    assert choose_accelerator(FakeConnection(expanded=feature), REMOTE, "auto").kind == "kvm"


def test_a_kvm_device_without_the_cpus_feature_is_not_believed(kvm_device: Path) -> None:
    chosen = choose_accelerator(FakeConnection(features="aes avx"), LOCAL, "auto")
    assert chosen.kind == "tcg"
    assert chosen.domain_type == "qemu"
    assert "vmx" in chosen.reason


def test_a_feature_that_the_model_has_and_the_machine_lacks_does_not_count() -> None:
    assert choose_accelerator(FakeConnection(features="svm!"), REMOTE, "auto").kind == "tcg"


def test_a_local_host_needs_the_device_too(kvm_device: Path) -> None:
    kvm_device.unlink()
    chosen = choose_accelerator(FakeConnection(features="svm"), LOCAL, "auto")
    assert (chosen.kind, "/dev/kvm" in chosen.reason) == ("tcg", True)
    assert choose_accelerator(FakeConnection(features="svm"), REMOTE, "auto").kind == "kvm"


def test_a_host_whose_libvirt_offers_no_kvm_gets_none() -> None:
    assert choose_accelerator(FakeConnection(features="svm", offered="qemu"), REMOTE, "auto").kind == "tcg"


def test_other_architectures_are_taken_at_libvirts_word() -> None:
    chosen = choose_accelerator(FakeConnection(arch="aarch64"), REMOTE, "auto")
    assert (chosen.kind, chosen.arch) == ("kvm", "aarch64")


@pytest.mark.parametrize("wanted", ["kvm", "tcg"])
def test_the_configuration_has_the_last_word(wanted: str) -> None:
    assert choose_accelerator(FakeConnection(features="svm"), REMOTE, wanted).kind == wanted


def test_a_uri_without_a_machine_is_local() -> None:
    assert is_local("qemu:///system")
    assert is_local(LOCAL)
    assert not is_local(REMOTE)
