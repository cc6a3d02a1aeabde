"""Parts of the lab that need neither root nor libvirt."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from orchestrator.errors import LabError
from orchestrator.lab import Lab, definitions, network, processes, shell


def test_a_missing_program_is_named_with_the_package_that_brings_it() -> None:
    with pytest.raises(LabError, match=r"missing here: no-such-program\. Install: apt-get install some-package"):
        shell.check_programs({"no-such-program": "some-package", "env": "coreutils"})


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shell.os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root"):
        Lab("lab", tmp_path).down()


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(LabError, match=r"failed \(3\): second line"):
        shell.run([sys.executable, "-c", "print('first line'); print('second line'); raise SystemExit(3)"])


def test_a_lab_that_is_not_up_says_how_to_make_it(tmp_path: Path) -> None:
    lab = Lab("mine", tmp_path)
    for ask in (lab.hosts, lab.status, lambda: lab.uri("h1"), lambda: lab.entering("controller", ["true"])):
        with pytest.raises(LabError, match="there is no lab 'mine'; 'vmss lab up --name mine' makes it"):
            ask()


def test_a_guests_name_is_read_from_what_qemu_was_started_with() -> None:
    script = "import sys; sys.stdin.read()"
    argv = [sys.executable, "-c", script, "-name", "guest=a,,b=c,debug-threads=on", "-uuid", "6f1d"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as fake_qemu:
        guests = processes.guests_of("h1", psutil.Process())
        assert [(each.domain, each.uuid, each.pid) for each in guests] == [("a,b=c", "6f1d", fake_qemu.pid)]
        assert fake_qemu.stdin is not None
        fake_qemu.stdin.close()


def test_a_process_that_ignores_a_polite_request_is_killed() -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); input()"
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        processes.end([psutil.Process(stubborn.pid)], 0.2, is_gentle=True)
        assert stubborn.wait(5) == -9


def test_the_callers_own_process_is_never_among_those_of_a_namespace() -> None:
    here = network.inode_of_process(psutil.Process().pid)
    assert here is not None
    found = {process.pid for process in processes.in_namespaces([here])}
    assert psutil.Process().pid not in found
    assert psutil.Process().ppid() not in found


def test_waiting_ends_with_the_sentence_it_was_given() -> None:
    begin = time.monotonic()
    with pytest.raises(LabError, match=r"it did not come within 0\.05 s"):
        processes.wait_until(lambda: False, 0.05, "it did not come")
    assert time.monotonic() - begin < 1


def test_the_pool_is_one_below_its_file_systems_root() -> None:
    path = ElementTree.fromstring(definitions.pool_xml()).findtext("target/path")
    assert path == "/var/lib/libvirt/images/vmss"


def test_the_network_stands_on_the_hosts_bridge() -> None:
    root = ElementTree.fromstring(definitions.network_xml())
    forward, bridge = root.find("forward"), root.find("bridge")
    assert forward is not None
    assert bridge is not None
    assert (forward.get("mode"), bridge.get("name")) == ("bridge", "br0")
