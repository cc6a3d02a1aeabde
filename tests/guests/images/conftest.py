"""Images built once per session into the machine's catalogue, and logging in with a pinned host key."""

from __future__ import annotations

import base64
import io

import paramiko
import pytest
from direct_guest import Login, banner, wait_for

from orchestrator.guest.seed import make_host_key
from orchestrator.images.build import DEFAULT_FOLDER, build
from orchestrator.images.catalogue import Catalogue
from orchestrator.model.guest import ImageFiles

AGENT_KEY = make_host_key()


@pytest.fixture(scope="session")
def micro() -> ImageFiles:
    catalogue = Catalogue(DEFAULT_FOLDER)
    return catalogue.files(build("micro", catalogue))


@pytest.fixture(scope="session")
def debian() -> ImageFiles:
    catalogue = Catalogue(DEFAULT_FOLDER)
    return catalogue.files(build("debian-12", catalogue))


@pytest.fixture(scope="session")
def agent_public_key() -> str:
    return AGENT_KEY[1]


@pytest.fixture
def login() -> Login:
    """Log in on a loopback port as a user; refuses any host key but the one given."""

    def connect(port: int, user: str, host_key_public: str) -> paramiko.SSHClient:
        wait_for(lambda: banner(port), 30, "SSH banner")
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        kind, data = host_key_public.split()[:2]
        host_key = paramiko.PKey.from_type_string(kind, base64.b64decode(data))
        client.get_host_keys().add(f"[127.0.0.1]:{port}", kind, host_key)
        agent_key = paramiko.Ed25519Key.from_private_key(io.StringIO(AGENT_KEY[0]))
        client.connect(
            "127.0.0.1", port, user, pkey=agent_key, look_for_keys=False, allow_agent=False, timeout=20,
            banner_timeout=30, auth_timeout=30,
        )  # fmt: skip
        return client

    return connect
