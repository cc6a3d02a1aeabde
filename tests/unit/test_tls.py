"""The daemon's certificate authority, judged by OpenSSL and its strict rules."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from orchestrator import tls
from orchestrator.tls import Authority, Certificates

NOW = datetime.now(UTC)
NAMES = ("localhost", "127.0.0.1", "::1")


def certificate_of(certificates: Certificates) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificates.server_file.read_bytes())


def connect(certificates: Certificates, name: str, ca: Path | None = None) -> None:
    """One handshake by OpenSSL's strict rules. Raises ``ssl.SSLError`` when the client does not trust it."""
    server = certificates.server_context()
    client = ssl.create_default_context(cafile=str(ca or certificates.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(far, server_side=True).close()
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(near, server_hostname=name).close()
    finally:
        near.close()
        thread.join()


@pytest.mark.parametrize("name", [*NAMES, "vmss.example", "10.1.2.3"])
def test_a_strict_client_trusts_the_port_under_each_of_its_names(tmp_path: Path, name: str) -> None:
    certificates = Certificates(tmp_path / "tls", ["VMSS.example", "10.1.2.3"])
    assert certificates.ensure()
    connect(certificates, name)


def test_a_client_does_not_trust_the_port_under_another_name(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure()
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        connect(certificates, "vmss.example")


@pytest.mark.parametrize("name", ["login.microsoftonline.com", "10.1.2.3", "localhost.example"])
def test_the_authority_cannot_vouch_for_names_that_are_not_the_daemons(tmp_path: Path, name: str) -> None:
    """Even who steals its key cannot pose as somebody else."""
    certificates = Certificates(tmp_path)
    certificates.ensure()
    key = serialization.load_pem_private_key((tmp_path / "ca.key").read_bytes(), None)
    authority = Authority(x509.load_pem_x509_certificate(certificates.ca_file.read_bytes()), key)  # type: ignore[arg-type]
    certificate, its_key = tls.issue(authority, [name], NOW)
    pem = its_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificates.server_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + pem)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        connect(certificates, name)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_finds_nothing_wrong_with_the_chain(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure()
    argv = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost"]
    files = ["-CAfile", str(certificates.ca_file), str(certificates.server_file)]
    done = subprocess.run([*argv, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_keys_are_for_the_daemon_alone_and_the_certificate_lasts_as_long_as_clients_allow(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "tls")
    certificates.ensure()
    assert {path.name: path.stat().st_mode & 0o777 for path in certificates.folder.iterdir()} == {
        "ca.pem": 0o644,
        "ca.key": 0o600,
        "server.pem": 0o600,
    }
    assert certificates.folder.stat().st_mode & 0o777 == 0o700
    found = certificate_of(certificates)
    assert found.not_valid_after_utc - found.not_valid_before_utc <= timedelta(days=397)


def test_what_is_there_and_fits_stays(tmp_path: Path) -> None:
    assert Certificates(tmp_path).ensure(NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert not Certificates(tmp_path).ensure(NOW + timedelta(days=360))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_certificate_is_renewed_before_it_ends_and_its_authority_stays(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure(NOW)
    authority = certificates.ca_file.read_bytes()
    assert certificates.ensure(NOW + timedelta(days=367))
    assert certificates.ca_file.read_bytes() == authority
    assert certificate_of(certificates).not_valid_after_utc > NOW + timedelta(days=700)


def test_an_authority_is_replaced_before_it_ends(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure(NOW)
    authority = certificates.ca_file.read_bytes()
    assert certificates.ensure(NOW + timedelta(days=3640))
    assert certificates.ca_file.read_bytes() != authority


def test_one_more_name_takes_another_authority_and_one_less_does_not(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure()
    first = certificates.ca_file.read_bytes()
    more = Certificates(tmp_path, ["vmss.example"])
    assert more.ensure()
    second = more.ca_file.read_bytes()
    assert second != first
    connect(more, "vmss.example")
    assert Certificates(tmp_path).ensure()
    assert more.ca_file.read_bytes() == second
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(certificates, "vmss.example")


@pytest.mark.parametrize("file", ["ca.pem", "ca.key", "server.pem"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_damaged_or_gone_is_made_anew(tmp_path: Path, file: str, content: bytes | None) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure()
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    assert certificates.ensure()
    connect(certificates, "localhost")


def test_a_daemon_killed_between_key_and_certificate_starts_again(tmp_path: Path) -> None:
    """Of a new authority only the key was written."""
    certificates, other = Certificates(tmp_path / "a"), Certificates(tmp_path / "b")
    certificates.ensure()
    other.ensure()
    (certificates.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    assert certificates.ensure()
    connect(certificates, "localhost")


def test_a_port_shows_a_renewed_certificate_while_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates(tmp_path)
    certificates.ensure()
    context = certificates.server_context()
    monkeypatch.setattr(certificates, "server_context", lambda: context)
    certificates.server_file.unlink()
    certificates.ca_file.unlink()
    certificates.renew(context)
    connect(certificates, "localhost")
