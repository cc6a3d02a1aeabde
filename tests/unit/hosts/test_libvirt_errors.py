"""libvirt's codes in words of our exceptions."""

from __future__ import annotations

import libvirt
import pytest

from orchestrator.errors import HostRefused, HostUnreachable, InsufficientCapacity, VmssError
from orchestrator.hosts.libvirt.errors import is_code, translate


def fake_error(code: int, domain: int = libvirt.VIR_FROM_QEMU, message: str = "said so", number: int = 0):
    error = libvirt.libvirtError(message)
    error.err = (code, domain, message, libvirt.VIR_ERR_ERROR, None, None, None, number, 0)
    error.args = (message,)
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (fake_error(libvirt.VIR_ERR_RPC, libvirt.VIR_FROM_RPC), HostUnreachable),
        (
            fake_error(libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, "client socket is closed"),
            HostUnreachable,
        ),
        (
            fake_error(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, "Connection refused", 111),
            HostUnreachable,
        ),
        (fake_error(libvirt.VIR_ERR_NO_CONNECT), HostUnreachable),
        (fake_error(libvirt.VIR_ERR_OPERATION_TIMEOUT), HostUnreachable),
        (fake_error(libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_FROM_RPC), HostRefused),
        (
            fake_error(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_STORAGE, "cannot write", 28),
            InsufficientCapacity,
        ),
        (fake_error(libvirt.VIR_ERR_INTERNAL_ERROR, message="x: No space left on device"), InsufficientCapacity),
        (fake_error(libvirt.VIR_ERR_INTERNAL_ERROR, message="Cannot allocate memory"), InsufficientCapacity),
        (fake_error(libvirt.VIR_ERR_NO_MEMORY), InsufficientCapacity),
        (fake_error(libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_STORAGE, "denied", 13), HostRefused),
        (fake_error(libvirt.VIR_ERR_NO_NETWORK), HostRefused),
        (fake_error(libvirt.VIR_ERR_XML_ERROR), HostRefused),
    ],
)
def test_each_error_has_its_exception(error: libvirt.libvirtError, kind: type[VmssError]) -> None:
    told = translate(error, "h1", "create web_1")
    assert type(told) is kind
    assert told.target == "h1"
    assert "h1" in told.message
    assert "create web_1" in told.message


def test_what_ran_out_is_named() -> None:
    disk = translate(fake_error(libvirt.VIR_ERR_INTERNAL_ERROR, message="No space left on device"), "h1", "x")
    memory = translate(fake_error(libvirt.VIR_ERR_NO_MEMORY), "h1", "x")
    assert "disk" in disk.message
    assert "memory" in memory.message


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "internal error: Child process (/usr/bin/qemu-img create -f qcow2 -b /pool/base.qcow2 -o "
            "backing_fmt=qcow2,compat=0.10 /pool/x.qcow2 1048576K) unexpected exit status 1: qemu-img: "
            "/pool/x.qcow2: Could not write qcow2 header: No space left on device\n",
            "no space left on device",
        ),
        ("cannot write: Disk quota exceeded", "disk quota exceeded"),
    ],
)
def test_a_full_disk_is_one_sentence_without_a_helpers_command_line(said: str, reason: str) -> None:
    told = translate(fake_error(libvirt.VIR_ERR_INTERNAL_ERROR, message=said), "h1", "create web_1")
    assert told.message == f"Host h1 ran out of disk while asked to create web_1: {reason}"


def test_codes_are_compared_exactly() -> None:
    error = fake_error(libvirt.VIR_ERR_NO_DOMAIN)
    assert is_code(error, libvirt.VIR_ERR_NO_DOMAIN)
    assert not is_code(error, libvirt.VIR_ERR_NO_STORAGE_VOL)
