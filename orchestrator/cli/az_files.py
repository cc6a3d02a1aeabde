"""An environment in which Azure's own `az` talks to this daemon: a configuration folder and whom to trust.

What `az cloud register` and `az login` would write, written at once; a token is fetched by the first command. The
user's own ``~/.azure`` is not touched.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import certifi

from orchestrator.cli.authority import authority_of
from orchestrator.errors import BadInput
from orchestrator.private_file import write_private

CLOUD = "VmssLocal"
_MADE_OF = "vmss-made-of"
_OF_A_LOGIN = ("msal_token_cache.json", "msal_token_cache.bin", "msal_http_cache.bin")
_NEEDED = ("clientId", "clientSecret", "tenantId", "subscriptionId", "endpoint")
# What az has a name for and this API does not have: clients want an address, and never ask it.
_NOWHERE = (
    "endpoint_active_directory_data_lake_resource_id",
    "endpoint_active_directory_graph_resource_id",
    "endpoint_batch_resource_id",
    "endpoint_gallery",
    "endpoint_media_resource_id",
    "endpoint_microsoft_graph_resource_id",
    "endpoint_portal",
    "endpoint_sql_management",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A principal's file: the daemon's ``owner.json``, or what ``vmss principal create --file`` writes.
    ``ca_pem`` is empty where the daemon's authority is one that everyone trusts."""

    client_id: str
    client_secret: str
    tenant_id: str
    subscription_id: str
    endpoint: str
    ca_pem: str

    @classmethod
    def read(cls, path: Path) -> Credentials:
        """Raises ``BadInput`` for a file that is none, or that may not be read."""
        try:
            content = json.loads(path.read_text())
        except PermissionError:
            words = f"{path} may only be read by its owner: use sudo, or a principal's own file (--principal-file)"
            raise BadInput(words, target=str(path)) from None
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read as a principal's file: {error}", target=str(path)) from error
        if not isinstance(content, Mapping):
            raise BadInput(f"{path} is no principal's file", target=str(path))
        missing = [name for name in _NEEDED if not content.get(name)]
        if missing == ["endpoint"]:
            words = "the daemon serves no HTTPS, which az insists on: set https_listen in its configuration"
            raise BadInput(words, target="https_listen")
        if missing:
            raise BadInput(f"{path} lacks {', '.join(missing)}", target=str(path))
        client_id, secret, tenant, subscription, endpoint = (str(content[name]) for name in _NEEDED)
        return cls(client_id, secret, tenant, subscription, endpoint, authority_of(content) or "")


@dataclass(frozen=True, slots=True)
class AzFolder:
    """``AZURE_CONFIG_DIR``. Only its owner can look into it."""

    path: Path

    @property
    def bundle(self) -> Path:
        return self.path / "ca-bundle.pem"

    def is_made_of(self, who: Credentials) -> bool:
        """Whether it logs in so, at this daemon, and trusts its authority as that is now."""
        try:
            return (self.path / _MADE_OF).read_text() == _mark(who)
        except OSError:
            return False

    def default_group(self) -> str | None:
        """That of the folder as it is."""
        return self._settings().get("defaults", "group", fallback=None)

    def write(self, who: Credentials, *, group: str, location: str) -> None:
        """Cloud, login and trust anew; of the settings only ours: others that ``az config set`` put there stay.
        What az keeps of a login (its tokens) goes when somebody else comes in. Raises ``BadInput`` for a folder in
        which az is logged in, and not by us."""
        if (self.path / "azureProfile.json").exists() and not (self.path / _MADE_OF).exists():
            raise BadInput(f"{self.path} holds another login of az: name another folder", target="--dir")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        with _held(self.path):
            if not self.is_made_of(who):
                self._put(_MADE_OF, "")
                for name in _OF_A_LOGIN:
                    (self.path / name).unlink(missing_ok=True)
            settings = self._settings()
            settings.read_dict(_our_settings(group, location))
            clouds = _parser()
            clouds.read_dict({CLOUD: _cloud(who)})
            self._put("config", _text(settings))
            self._put("clouds.config", _text(clouds))
            self._put("azureProfile.json", json.dumps(_profile(who)))
            self._put("service_principal_entries.json", json.dumps([_entry(who)]))
            # With the daemon's authority alone, pip and the like would trust nobody else.
            self._put(self.bundle.name, f"{certifi.contents()}\n{who.ca_pem}")
            self._put(_MADE_OF, _mark(who))  # the last: it says that the others are there

    def _settings(self) -> configparser.ConfigParser:
        parser = _parser()
        try:
            parser.read(self.path / "config")
        except configparser.Error as error:
            words = f"{self.path / 'config'} cannot be read: {error}"
            raise BadInput(words, target=str(self.path)) from error
        return parser

    def _put(self, name: str, content: str) -> None:
        write_private(self.path / name, content.encode())

    def environment(self) -> dict[str, str]:
        """What has to be set for az, and for the SDKs of Python and JavaScript."""
        return {
            "AZURE_CONFIG_DIR": str(self.path),
            "REQUESTS_CA_BUNDLE": str(self.bundle),
            "NODE_EXTRA_CA_CERTS": str(self.bundle),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
        }


def _cloud(who: Credentials) -> Mapping[str, str]:
    root = who.endpoint.rstrip("/")
    return {
        **{name: f"{root}/" for name in _NOWHERE},
        "endpoint_active_directory": f"{root}/adfs",
        "endpoint_active_directory_resource_id": root,
        "endpoint_management": root,
        "endpoint_resource_manager": root,
        "endpoint_vm_image_alias_doc": f"{root}/metadata/aliases",
        "subscription": who.subscription_id,
    }


def _our_settings(group: str, location: str) -> Mapping[str, Mapping[str, str]]:
    return {
        "cloud": {"name": CLOUD},
        "defaults": {"group": group, "location": location},
        "core": {"collect_telemetry": "no", "survey_message": "no", "login_experience_v2": "off"},
        "auto-upgrade": {"enable": "no", "prompt": "no"},
    }


def _entry(who: Credentials) -> Mapping[str, str]:
    return {"client_id": who.client_id, "tenant": who.tenant_id, "client_secret": who.client_secret}


def _profile(who: Credentials) -> Mapping[str, object]:
    return {
        "subscriptions": [
            {
                "id": who.subscription_id,
                "name": "vmss",
                "state": "Enabled",
                "user": {"name": who.client_id, "type": "servicePrincipal"},
                "isDefault": True,
                "tenantId": who.tenant_id,
                "environmentName": CLOUD,
                "homeTenantId": None,
                "managedByTenants": [],
            }
        ]
    }


def _parser() -> configparser.ConfigParser:
    return configparser.ConfigParser(interpolation=None)


def _text(parser: configparser.ConfigParser) -> str:
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _mark(who: Credentials) -> str:
    """Tells whether anything of a login changed, without showing it."""
    return hashlib.sha256(repr(who).encode()).hexdigest()


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Two at once write one after the other."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
