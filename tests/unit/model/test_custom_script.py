"""Settings of the CustomScript extension: each in one place, exactly one thing to run, nothing secret in errors."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest

from orchestrator.errors import BadInput, NotPossible
from orchestrator.model.custom_script import CustomScript, file_name_of, parse_custom_script

TARGET = "properties.extensions[0].properties"
RUN = {"commandToExecute": "true"}
MAX = 256 * 1024


def parse(settings: Any = None, protected: Any = None, version: str = "2.1") -> CustomScript:
    return parse_custom_script(settings, protected, version, TARGET)


def offending(settings: Any = None, protected: Any = None, version: str = "2.1") -> set[str]:
    with pytest.raises(BadInput) as caught:
        parse(settings, protected, version)
    error = caught.value
    targets = {str(detail.target) for detail in error.details} or {str(error.target)}
    return {target.removeprefix(TARGET + ".") for target in targets}


def packed(body: bytes) -> str:
    return base64.b64encode(body).decode()


def test_a_command_may_be_public_or_protected() -> None:
    public = {"skipDos2Unix": True, "timestamp": 123456789}
    for settings, protected in (({**public, **RUN}, None), (public, RUN)):
        assert parse(settings, protected) == CustomScript(command="true", skip_dos2unix=True, timestamp=123456789)


def test_files_and_command_may_be_in_different_places() -> None:
    parsed = parse(RUN, {"fileUris": ["http://a/b.sh?sig=x", "https://[::1]:8443/c"]})
    assert (parsed.command, parsed.file_uris) == ("true", ("http://a/b.sh?sig=x", "https://[::1]:8443/c"))


@pytest.mark.parametrize("body", [b"#!/bin/sh\necho hi\n", b"echo \xff\x00", b"a" * MAX])
def test_a_script_is_base64_with_or_without_gzip(body: bytes) -> None:
    assert parse({"script": packed(body)}).script == body
    assert parse(None, {"script": packed(gzip.compress(body))}).script == body
    wrapped = base64.encodebytes(body).decode()  # with line ends, as `base64` prints it
    assert parse({"script": wrapped}).script == body


@pytest.mark.parametrize(
    "script",
    [
        "not base64!",
        "YQ",  # no padding
        packed(b"a" * (MAX + 1)),
        packed(gzip.compress(b"a" * (MAX + 1), mtime=0)),
        packed(gzip.compress(b"\0" * 50_000_000, mtime=0)),  # grows a thousandfold: never unpacked whole
        packed(gzip.compress(b"hello", mtime=0)[:-4]),
        packed(b"\x1f\x8b not gzip"),
        packed(b" \n"),
        "",
        5,
    ],
)
def test_a_script_that_cannot_be_read_is_refused(script: Any) -> None:
    assert offending({"script": script}) == {"settings.script"}


@pytest.mark.parametrize(
    ("settings", "protected", "names"),
    [
        (None, None, {"settings.commandToExecute"}),
        ({}, {"commandToExecute": None}, {"settings.commandToExecute"}),
        ({"commandToExecute": " "}, None, {"settings.commandToExecute"}),
        ({"commandToExecute": ["ls"]}, None, {"settings.commandToExecute"}),
        ({"commandToExecute": "a\0b"}, None, {"settings.commandToExecute"}),
        ({"commandToExecute": "\ud800"}, None, {"settings.commandToExecute"}),
        ({"commandToExecute": "a" * (MAX + 1)}, None, {"settings.commandToExecute"}),
        (RUN, RUN, {"settings.commandToExecute"}),
        ({"script": packed(b"x")}, RUN, {"settings.script"}),
        ({**RUN, "fileUris": []}, {"fileUris": []}, {"settings.fileUris"}),
        ({**RUN, "fileUris": "http://a/b"}, None, {"settings.fileUris"}),
        ({**RUN, "fileUris": ["http://a/b", 5]}, None, {"settings.fileUris"}),
        ({**RUN, "fileUris": ["http://a/b", "http://c/b"]}, None, {"settings.fileUris[1]"}),
        ({**RUN, "fileUris": [f"http://a/{n}" for n in range(101)]}, None, {"settings.fileUris"}),
        ({**RUN, "skipDos2Unix": "yes"}, None, {"settings.skipDos2Unix"}),
        ({**RUN, "timestamp": "now"}, None, {"settings.timestamp"}),
        ({**RUN, "timestamp": 2**63}, None, {"settings.timestamp"}),
        (RUN, {"timestamp": 5}, {"protectedSettings.timestamp"}),
        ({**RUN, "CommandToExecute": "ls"}, None, {"settings.CommandToExecute"}),
        ("ls", None, {"settings", "settings.commandToExecute"}),
    ],
)
def test_a_setting_that_breaks_a_rule_is_named(settings: Any, protected: Any, names: set[str]) -> None:
    assert offending(settings, protected) == names


def test_all_offences_are_named_at_once() -> None:
    settings = {"script": "?", "fileUris": ["ftp://a/b", "http://a/"], "skipDos2Unix": 1, "extra": 1}
    assert offending(settings, {"commandToExecute": "", "more": 2}, "1.0") == {
        "typeHandlerVersion",
        "settings.script",
        "settings.fileUris[0]",
        "settings.fileUris[1]",
        "settings.skipDos2Unix",
        "settings.extra",
        "protectedSettings.commandToExecute",
        "protectedSettings.more",
    }


@pytest.mark.parametrize("name", ["storageAccountName", "storageAccountKey", "managedIdentity"])
def test_azure_storage_and_identities_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(NotPossible, match="no Azure storage or identity here") as caught:
        parse(RUN, {name: {} if name == "managedIdentity" else "x"})
    assert caught.value.target == f"{TARGET}.protectedSettings.{name}"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("http://a/b.sh", "b.sh"),
        ("https://user.example:8080/x/y/z%20w.py?sig=a/b#c", "z w.py"),
        ("http://a/%C3%A4", "ä"),
        ("http://[fe80::1]/f", "f"),
    ],
)
def test_a_file_is_named_by_the_last_segment_of_its_path(uri: str, name: str) -> None:
    assert file_name_of(uri) == name


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "b.sh",
        "ftp://a/b",
        "file:///etc/passwd",
        "http:///b",
        "http://a",
        "http://a/",
        "http://a/b/..",
        "http://a/b/%2e%2e",
        "http://a/..%2f..%2fetc",
        "http://a/-rf",
        "http://a/a%00b",
        "http://a/a%0ab",
        "http://a/%ff",
        "http://a/stdout",
        "http://a/" + "a" * 256,
        "http://a/" + "a/" * 5000 + "b",
        "http://user:password@a/b",
        "http://a:99999/b",
        "http://a/b c",
        'http://a/b"c',
        "http://a/b\\c",
        "http://a/b\nurl = x",
        "http://[a/b",
    ],
)
def test_a_uri_that_names_no_safe_file_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not a URI"):
        file_name_of(uri)
    assert offending({**RUN, "fileUris": [uri]}) == {"settings.fileUris[0]"}


def test_no_error_and_no_repr_repeats_a_secret() -> None:
    canary = "canary-51a7"
    parsed = parse(None, {"commandToExecute": canary, "fileUris": [f"http://a/b?sig={canary}"]})
    assert canary not in repr(parsed)
    protected = {"commandToExecute": canary + "\0", "script": canary + "!", "fileUris": [f"ftp://{canary}/b"]}
    with pytest.raises(BadInput) as caught:
        parse({"commandToExecute": canary}, protected)
    assert canary not in caught.value.message + repr(caught.value.details)
