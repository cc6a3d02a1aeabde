"""The seed: what cloud-init and micro find on it, and that it is always the same for the same guest."""

from __future__ import annotations

import email
import gzip
import io
import json
import statistics
import subprocess
import tarfile
import time
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import paramiko
import pycdlib
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.guest import seed as seed_module
from orchestrator.guest.custom_data import MAX_CUSTOM_DATA_BYTES, read_custom_data
from orchestrator.guest.seed import SeedCard, SeedIdentity, build_seed, check_custom_data, make_host_key

PRIVATE, PUBLIC = make_host_key()

CARD = SeedCard("52:54:00:AA:BB:CC", ("10.90.1.7/16",), ("10.90.0.1", "10.90.0.2"))

WEB = SeedIdentity(
    instance_uid="6f1c0e4a-1111-4222-8333-444455556666",
    generation=3,
    host_name="web000007",
    admin_username="azureuser",
    admin_keys=("ssh-ed25519 AAAA user@desk", "ssh-rsa BBBB"),
    agent_public_key="ssh-ed25519 CCCC vmssd",
    host_key_private=PRIVATE,
    host_key_public=PUBLIC,
    cards=(CARD,),
    gateways=("10.90.0.1",),
    vm_uuid="9d1c9a52-9be9-5e0c-8bd1-cf1f20a4a7a5",
    random_seed=bytes(range(64)),
)


def files_of(image: bytes) -> dict[str, bytes]:
    """Every file on a seed, read back by its Rock Ridge name."""
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    assert iso.pvd.volume_identifier.decode().strip() == "cidata"
    found = {}
    for child in iso.list_children(rr_path="/"):
        if not child.is_dir():
            content = io.BytesIO()
            iso.get_file_from_iso_fp(content, rr_path=f"/{child.rock_ridge.name().decode()}")
            found[child.rock_ridge.name().decode()] = content.getvalue()
    iso.close()
    return found


def seed_of(**changes: Any) -> dict[str, bytes]:
    return files_of(build_seed(replace(WEB, **changes)))


def user_data(**changes: Any) -> dict[str, Any]:
    text = seed_of(**changes)["user-data"]
    assert text.startswith(b"#cloud-config\n")
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def archive(name: str, **changes: Any) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(seed_of(**changes)[f"micro-{name}.tar"])) as tar:
        return {member.name: (member, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar}


def facts(**changes: Any) -> dict[str, str]:
    """What a shell makes of micro's identity file."""
    text = archive("identity", **changes)["var/lib/vmss/identity"][1].decode()
    names = [line.split("=")[0] for line in text.splitlines() if line[:1].isupper() and "=" in line]
    script = text + "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    values = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout.decode().split("\0")
    return dict(zip(names, values, strict=False))


def first_boot_script(custom_data: bytes) -> str:
    return archive("first-boot", custom_data=custom_data)["var/lib/vmss/first-boot.sh"][1].decode()


def config(**members: Any) -> bytes:
    return b"#cloud-config\n" + yaml.safe_dump(members).encode()


def test_a_seed_names_the_instance_its_generation_and_its_host() -> None:
    assert yaml.safe_load(seed_of()["meta-data"]) == {
        "instance-id": "6f1c0e4a-1111-4222-8333-444455556666-g3",
        "local-hostname": "web000007",
    }


def test_a_guest_gets_its_static_address_by_the_mac_of_its_card() -> None:
    network = yaml.safe_load(seed_of()["network-config"])
    assert network["version"] == 2
    assert network["ethernets"]["primary"] == {
        "match": {"macaddress": "52:54:00:AA:BB:CC"},
        "dhcp4": False,
        "dhcp6": False,
        "addresses": ["10.90.1.7/16"],
        "routes": [{"to": "0.0.0.0/0", "via": "10.90.0.1"}],
        "nameservers": {"addresses": ["10.90.0.1", "10.90.0.2"]},
    }


def test_a_guest_without_gateway_and_dns_has_neither() -> None:
    card = yaml.safe_load(seed_of(gateways=(), cards=(SeedCard(CARD.mac, CARD.addresses),))["network-config"])[
        "ethernets"
    ]["primary"]
    assert not {"routes", "nameservers"} & set(card)
    assert (facts(gateways=())["GATEWAYS"], facts()["GATEWAYS"]) == ("", "10.90.0.1")


def test_a_guest_gets_every_card_with_all_its_addresses_and_the_way_out_by_the_first() -> None:
    second = SeedCard("52:54:00:AA:BB:CD", ("10.91.2.4/24", "fd20::4/64"), ("10.91.2.1",))
    both = {"cards": (CARD, second), "gateways": ("10.90.0.1", "fd10::1")}
    cards = yaml.safe_load(seed_of(**both)["network-config"])["ethernets"]
    assert list(cards) == ["primary", "card2"]
    assert [each["to"] for each in cards["primary"]["routes"]] == ["0.0.0.0/0", "::/0"]
    assert cards["card2"]["addresses"] == ["10.91.2.4/24", "fd20::4/64"]
    assert "routes" not in cards["card2"]
    assert user_data(**both)["bootcmd"][0][0] == "sysctl"
    assert "bootcmd" not in user_data()
    told = facts(**both)
    assert told["CARDS"] == "52:54:00:aa:bb:cc,10.90.1.7/16 52:54:00:aa:bb:cd,10.91.2.4/24,fd20::4/64"
    assert told["GATEWAYS"] == "10.90.0.1 fd10::1"


def test_cloud_init_is_told_of_users_and_of_the_one_host_key() -> None:
    told = user_data()
    assert told["users"] == [
        {"name": "root", "lock_passwd": True, "ssh_authorized_keys": ["ssh-ed25519 CCCC vmssd"]},
        {
            "name": "azureuser",
            "shell": "/bin/bash",
            "lock_passwd": True,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "ssh_authorized_keys": ["ssh-ed25519 AAAA user@desk", "ssh-rsa BBBB"],
        },
    ]
    assert told["ssh_keys"] == {"ed25519_private": PRIVATE, "ed25519_public": PUBLIC}
    assert (told["disable_root"], told["ssh_pwauth"], told["hostname"]) == (False, False, "web000007")
    assert b64decode(told["random_seed"]["data"]) == WEB.random_seed


def test_a_set_without_an_administrator_has_root_alone() -> None:
    assert [user["name"] for user in user_data(admin_username=None)["users"]] == ["root"]
    assert facts(admin_username=None)["USERS"] == ""


def test_users_cloud_config_is_joined_with_ours_and_cannot_lock_the_daemon_out() -> None:
    theirs = config(
        users=[{"name": "alice"}],
        packages=["nginx"],
        disable_root=True,
        ssh_keys={"rsa_private": "x"},
        ssh_deletekeys=False,
        hostname="other",
        ssh_pwauth=True,
        write_files=[{"path": "/a", "content": "b"}],
    )
    told = user_data(custom_data=theirs)
    assert [user["name"] for user in told["users"]] == ["root", "azureuser", "alice"]
    assert (told["disable_root"], told["hostname"], told["ssh_deletekeys"]) == (False, "web000007", True)
    assert set(told["ssh_keys"]) == {"ed25519_private", "ed25519_public"}
    assert (told["packages"], told["ssh_pwauth"]) == (["nginx"], True)
    assert [file["path"] for file in told["write_files"]] == ["/var/lib/vmss/custom-data", "/a"]
    assert b64decode(told["write_files"][0]["content"]) == theirs


@pytest.mark.parametrize(
    "theirs", [b"#!/bin/sh\necho hi\n", b"\x1f\x8b\x00binary", b"plain words", b"#include\nhttp://x/"]
)
def test_other_custom_data_stands_beside_ours_byte_for_byte(theirs: bytes) -> None:
    message = email.message_from_bytes(seed_of(custom_data=theirs)["user-data"])
    ours, other = message.get_payload()
    assert [ours.get_content_type(), other.get_content_type()] == ["text/cloud-config", "text/plain"]
    assert yaml.safe_load(ours.get_payload(decode=True))["hostname"] == "web000007"
    assert other.get_payload(decode=True) == theirs


def test_micro_finds_the_same_facts_as_cloud_init() -> None:
    assert facts() == {
        "INSTANCE_ID": "6f1c0e4a-1111-4222-8333-444455556666-g3",
        "HOST_NAME": "web000007",
        "USERS": "azureuser",
        "CARDS": "52:54:00:aa:bb:cc,10.90.1.7/16",
        "GATEWAYS": "10.90.0.1",
        "MAC": "52:54:00:aa:bb:cc",
        "ADDRESS": "10.90.1.7",
        "NETMASK": "255.255.0.0",
        "GATEWAY": "10.90.0.1",
        "RANDOM_SEED": bytes(range(64)).hex(),
        "LEFT_OUT": "",
    }
    members = archive("identity")
    assert members["etc/machine-id"][1] == b"9d1c9a529be95e0c8bd1cf1f20a4a7a5\n"
    assert members["root/.ssh/authorized_keys"][1] == b"ssh-ed25519 CCCC vmssd\n"
    assert members["home/azureuser/.ssh/authorized_keys"][1] == b"ssh-ed25519 AAAA user@desk\nssh-rsa BBBB\n"
    secret = members["etc/dropbear/dropbear_ed25519_host_key"][0]
    assert (secret.mode, secret.uid) == (0o600, 0)
    home = members["home/azureuser/.ssh"][0]
    assert (home.mode, home.uid, home.isdir()) == (0o700, 1000, True)


def test_the_host_key_in_dropbears_form_holds_the_same_key() -> None:
    blob = archive("identity")["etc/dropbear/dropbear_ed25519_host_key"][1]
    message = paramiko.Message(blob)
    assert message.get_text() == "ssh-ed25519"
    both = message.get_binary()
    assert message.get_remainder() == b""
    known = paramiko.Ed25519Key.from_private_key(io.StringIO(PRIVATE))
    assert both[32:] == paramiko.Message(b64decode(PUBLIC.split()[1])[15:]).get_binary()
    assert known.get_base64() == PUBLIC.split()[1]


def test_micro_writes_files_decoded_with_their_owner_and_permissions() -> None:
    zipped = b64encode(gzip.compress(b"packed")).decode()
    members = archive(
        "first-boot",
        custom_data=config(
            write_files=[
                {"path": "/etc/plain", "content": "text\n"},
                {"path": "/etc/zipped", "content": zipped, "encoding": "gz+b64", "permissions": "0640"},
                {"path": "/etc/../opt/tool", "content": "x", "permissions": 0o755, "owner": "azureuser:www"},
            ]
        ),
    )
    assert members["etc/plain"][1] == b"text\n"
    assert (members["etc/zipped"][1], members["etc/zipped"][0].mode) == (b"packed", 0o640)
    tool = members["opt/tool"][0]
    assert (tool.mode, tool.uname, tool.gname) == (0o755, "azureuser", "www")


def test_micro_runs_commands_as_written_and_lists_as_one_command_each() -> None:
    script = first_boot_script(config(bootcmd=["early"], runcmd=["echo $HOME | wc", ["touch", "/root/a file", 7]]))
    assert script == "#!/bin/sh\nearly\necho $HOME | wc\ntouch '/root/a file' 7\n"


def test_micro_runs_a_script_and_keeps_anything_else_as_a_file() -> None:
    assert first_boot_script(b"#!/bin/sh\nexit 0\n") == "#!/bin/sh\n/var/lib/vmss/custom-data\n"
    members = archive("first-boot", custom_data=b"\x00\xffopaque")
    assert members["var/lib/vmss/custom-data"][1] == b"\x00\xffopaque"
    assert "var/lib/vmss/first-boot.sh" not in members


def test_micro_names_the_members_it_does_not_read() -> None:
    assert facts(custom_data=config(packages=["nginx"], runcmd=["true"], ntp={}))["LEFT_OUT"] == "ntp packages"
    from_afar = config(write_files=[{"path": "/etc/far", "source": {"uri": "http://x/"}}])
    assert facts(custom_data=from_afar)["LEFT_OUT"] == "write_files.source"
    assert "etc/far" not in archive("first-boot", custom_data=from_afar)


def test_more_users_of_a_cloud_config_get_their_keys_on_micro_too() -> None:
    theirs = config(
        users=[
            "default",
            {"snapuser": "a@b"},
            {"name": "alice", "ssh_authorized_keys": ["ssh-rsa A"]},
            {"name": "root"},
        ],
        ssh_authorized_keys=["ssh-rsa ALL"],
    )
    members = archive("identity", custom_data=theirs)
    assert members["home/alice/.ssh/authorized_keys"][1] == b"ssh-rsa A\n"
    assert members["home/alice"][0].uid == 1001
    assert members["home/azureuser/.ssh/authorized_keys"][1].endswith(b"ssh-rsa ALL\n")
    assert facts(custom_data=theirs)["USERS"] == "azureuser alice"


@pytest.mark.parametrize(
    ("custom_data", "reason"),
    [
        (b"#cloud-config\n- a\n- b\n", "not a mapping"),
        (b"#cloud-config\nkey: [unclosed\n", "not YAML"),
        (b"#cloud-config\nkey: !!python/object:os.system {}\n", "not YAML"),
        (b"#cloud-config\n\xff\xfe\n", "not YAML"),
        (b"#cloud-config\nruncmd: rm\n", "'runcmd' of a #cloud-config is a list"),
        (b"#cloud-config\nruncmd: [{a: 1}]\n", "an entry of runcmd"),
        (b"#cloud-config\nwrite_files: [{content: x}]\n", "has no path"),
        (b"#cloud-config\nwrite_files: [{path: etc/x}]\n", "not absolute"),
        (b"#cloud-config\nwrite_files: [{path: /x, encoding: rot13}]\n", "unknown encoding"),
        (b"#cloud-config\nwrite_files: [{path: /x, encoding: b64, content: '%'}]\n", "is not b64"),
        (b"#cloud-config\nwrite_files: [{path: /x, content: [1]}]\n", "not a text"),
        (b"#cloud-config\nwrite_files: [{path: /x, permissions: rwx}]\n", "octal"),
        (b"#cloud-config\nusers: [{name: 'a:b'}]\n", "name of a user"),
        (b"#cloud-config\nusers: [{name: '../../etc'}]\n", "name of a user"),
        (b"x" * (MAX_CUSTOM_DATA_BYTES + 1), "65536 bytes long"),
    ],
)
def test_custom_data_that_cannot_be_followed_is_the_callers_mistake(custom_data: bytes, reason: str) -> None:
    for ask in (check_custom_data, lambda raw: build_seed(replace(WEB, custom_data=raw))):
        with pytest.raises(BadInput, match=reason):
            ask(custom_data)


def test_custom_data_of_the_greatest_length_is_taken() -> None:
    raw = b"#!" + b"x" * (MAX_CUSTOM_DATA_BYTES - 2)
    assert archive("first-boot", custom_data=raw)["var/lib/vmss/custom-data"][1] == raw


def test_empty_custom_data_is_none_at_all() -> None:
    assert read_custom_data(b"").raw is None
    assert read_custom_data(b"#cloud-config\n").cloud_config == {}


@pytest.mark.parametrize(
    "change",
    [
        {"cards": (SeedCard("52:54:00:AA:BB:CC", ("10.90.1.700/16",)),)},
        {"cards": (SeedCard("52:54:00:AA:BB:CC", ("10.90.1.7/40",)),)},
        {"cards": (SeedCard("52:54:00:AA:BB:CC", ("fd20::4/64",)),)},
        {"gateways": ("here",)},
    ],
)
def test_an_address_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="IPv4"):
        build_seed(replace(WEB, **change))


def test_the_same_guest_has_the_same_seed_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_seed(replace(WEB, custom_data=b"#!/bin/sh\n"))
    later = time.time() + 40_000_000
    monkeypatch.setattr(time, "time", lambda: later)
    seed_module._environment.cache_clear()
    assert build_seed(replace(WEB, custom_data=b"#!/bin/sh\n")) == first
    assert build_seed(replace(WEB, generation=4, custom_data=b"#!/bin/sh\n")) != first


def test_a_seed_is_made_in_a_few_milliseconds() -> None:
    def took_ms(custom_data: bytes | None) -> float:
        started = time.perf_counter()
        build_seed(replace(WEB, custom_data=custom_data))
        return (time.perf_counter() - started) * 1000

    big = config(write_files=[{"path": f"/f{n}", "content": "x" * 1000} for n in range(50)])
    for custom_data in (None, b"#!/bin/sh\n" + b"x" * 60_000, big):
        assert statistics.median(took_ms(custom_data) for _ in range(7)) < 60


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_value_can_break_out_of_the_templates(host_name: str, key: str) -> None:
    """Values with quotes, colons, newlines or braces come back from YAML as they went in."""
    identity = replace(WEB, host_name=host_name, agent_public_key=key)
    rendered = yaml.safe_load(seed_module._render("user-data.j2", identity))
    assert rendered["hostname"] == host_name
    assert rendered["users"][0]["ssh_authorized_keys"] == [key]
    meta = yaml.safe_load(seed_module._render("meta-data.j2", identity))
    assert meta == {"instance-id": WEB.instance_id, "local-hostname": host_name}


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_no_value_can_break_out_of_micros_shell(gateway: str) -> None:
    quoted = seed_module.identity_archive(replace(WEB, gateways=(gateway,)), read_custom_data(None))
    with tarfile.open(fileobj=io.BytesIO(quoted)) as tar:
        member = tar.extractfile("var/lib/vmss/identity")
        assert member is not None
        script = member.read().decode() + 'printf "%s" "$GATEWAYS"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == gateway


def test_host_keys_differ_and_are_read_by_other_programs() -> None:
    private, public = make_host_key()
    assert private != PRIVATE
    assert paramiko.Ed25519Key.from_private_key(io.StringIO(private)).get_base64() == public.split()[1]
    assert json.dumps(public).isascii()
