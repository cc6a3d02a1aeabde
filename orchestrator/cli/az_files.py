"""An environment in which Azure's own `az` talks to this daemon: a configuration folder and whom to trust.

What `az cloud register` and `az login` would write, written at once; a token is fetched by the first command. The
user's own ``~/.azure`` is not touched.
"""

from __future__ import annotations

import configparser
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import BadInput, VmssError
from orchestrator.private_file import write_private

CLOUD = "VmssLocal"
_NEEDED = ("clientId", "clientSecret", "tenantId", "subscriptionId", "endpoint", "caFile")
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
    """A principal's file: the daemon's ``owner.json``, or what ``vmss principal create --file`` writes."""

    client_id: str
    client_secret: str
    tenant_id: str
    subscription_id: str
    endpoint: str
    ca_file: Path

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
        missing = [name for name in _NEEDED if not isinstance(content, Mapping) or not content.get(name)]
        if "endpoint" in missing:
            words = "the daemon serves no HTTPS, which az insists on: set https_listen in its configuration"
            raise BadInput(words, target="https_listen")
        if missing:
            raise BadInput(f"{path} lacks {', '.join(missing)}", target=str(path))
        client_id, secret, tenant, subscription, endpoint, ca_file = (str(content[name]) for name in _NEEDED)
        return cls(client_id, secret, tenant, subscription, endpoint, Path(ca_file))


@dataclass(frozen=True, slots=True)
class AzFolder:
    """``AZURE_CONFIG_DIR``. Only its owner can look into it."""

    path: Path

    @property
    def bundle(self) -> Path:
        return self.path / "ca-bundle.pem"

    def write(self, who: Credentials, *, group: str, location: str) -> None:
        """Everything anew; what az keeps there besides (its token cache) goes when another principal comes in."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        if self._client_id() != who.client_id:
            for name in ("msal_token_cache.json", "msal_token_cache.bin", "msal_http_cache.bin"):
                (self.path / name).unlink(missing_ok=True)
        self._put("clouds.config", _ini({CLOUD: _cloud(who)}))
        self._put("config", _ini(_settings(group, location)))
        self._put("azureProfile.json", json.dumps(_profile(who)))
        secret = {"client_id": who.client_id, "tenant": who.tenant_id, "client_secret": who.client_secret}
        self._put("service_principal_entries.json", json.dumps([secret]))
        self._put(self.bundle.name, _trusted(who.ca_file))

    def _client_id(self) -> str | None:
        try:
            entries = json.loads((self.path / "service_principal_entries.json").read_text())
            return str(entries[0]["client_id"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def default_group(self) -> str | None:
        """That of the folder as it is."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self.path / "config")
        return parser.get("defaults", "group", fallback=None)

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


def _settings(group: str, location: str) -> Mapping[str, Mapping[str, str]]:
    return {
        "cloud": {"name": CLOUD},
        "defaults": {"group": group, "location": location},
        "core": {"collect_telemetry": "no", "survey_message": "no", "login_experience_v2": "off"},
        "auto-upgrade": {"enable": "no", "prompt": "no"},
    }


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


def _ini(sections: Mapping[str, Mapping[str, str]]) -> str:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(sections)
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _trusted(ca_file: Path) -> str:
    """Everyone's authorities and the daemon's: with ours alone, pip and the like would trust nobody else."""
    import certifi  # noqa: PLC0415

    try:
        return f"{certifi.contents()}\n{ca_file.read_text()}"
    except OSError as error:
        raise VmssError(
            f"The daemon's certificate authority {ca_file} cannot be read: {error.strerror}."
        ) from error
