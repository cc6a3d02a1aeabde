"""Names and folders of a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import LabError
from orchestrator.lab.layout import LabLayout


@pytest.mark.parametrize("name", ["lab", "a", "my-lab-2", "a234567890123456", "h1", "lab-h"])
def test_a_fitting_name_is_taken(name: str) -> None:
    assert LabLayout(name).namespace == f"vmss-{name}"


@pytest.mark.parametrize("name", ["", "Lab", "2lab", "-lab", "la b", "a2345678901234567", "../etc", "lab\n", "läb"])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="no name for a lab"):
        LabLayout(name)


def test_a_name_that_another_labs_host_could_bear_is_refused() -> None:
    with pytest.raises(LabError, match="'-h1' names a lab's host"):
        LabLayout("lab-h1")


def test_a_labs_hosts_are_told_from_those_of_labs_with_longer_names() -> None:
    lab = LabLayout("lab")
    ours = lab.host_of_namespace("vmss-lab-h12")
    assert ours is not None
    assert (ours.name, ours.namespace) == ("h12", "vmss-lab-h12")
    for stranger in ("vmss-lab", "vmss-lab-x-h1", "vmss-lab2-h1", "vmss-lab-h0", "vmss-lab-h", "lab-h1"):
        assert lab.host_of_namespace(stranger) is None


def test_a_folder_too_deep_for_a_unix_socket_is_refused() -> None:
    with pytest.raises(LabError, match="too long"):
        LabLayout("lab", Path("/" + "x" * 90))


def test_a_relative_folder_is_refused() -> None:
    with pytest.raises(LabError, match="absolute"):
        LabLayout("lab", Path("labs"))


def test_a_hosts_uri_leads_to_its_own_socket() -> None:
    host = LabLayout("lab", Path("/srv/labs")).host(2)
    assert host.uri == "qemu+unix:///system?socket=/srv/labs/lab/hosts/h2/run/libvirt-sock"
