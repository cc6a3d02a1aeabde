"""``vmss az-env``, ``vmss az``, ``vmss principal`` and ``vmss group`` against a whole daemon.

az itself is a fake that writes down how it was called; tests/clients has the real one.
"""

from __future__ import annotations

import configparser
import json
import os
import shlex
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_cli_daemon import Daemon
from test_identity_daemon import free_port

VMSS = Path(sys.executable).parent / "vmss"
FAKE_AZ = f"""#!{sys.executable}
import json, os, sys
names = ("AZURE_CONFIG_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AZURE_CORE_COLLECT_TELEMETRY")
said = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), **{{name: os.environ[name] for name in names}}}}
print(json.dumps(said))
sys.exit(7)
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    made = Daemon(tmp_path_factory.mktemp("az"), https_listen=f"127.0.0.1:{free_port()}")
    made.start()
    yield made
    made.close()


@dataclass
class User:
    """Somebody with a home of their own, and an az in their PATH."""

    home: Path
    environment: dict[str, str]

    def run(self, *words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        environment = self.environment | more
        return subprocess.run(
            [VMSS, *words], env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=60
        )

    def __call__(self, *words: str, **more: str) -> str:
        """It must succeed."""
        done = self.run(*words, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def exports(self, *words: str, **more: str) -> dict[str, str]:
        lines = self("az-env", *words, **more).splitlines()
        return dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)

    def az(self, *words: str, **more: str) -> dict[str, Any]:
        """How az was called."""
        done = self.run("az", *words, **more)
        assert done.returncode == 7, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def user(daemon: Daemon, tmp_path: Path) -> User:
    az = tmp_path / "bin" / "az"
    az.parent.mkdir()
    az.write_text(FAKE_AZ)
    az.chmod(0o755)
    path = f"{az.parent}:{os.environ['PATH']}"
    return User(tmp_path, {"PATH": path, "HOME": str(tmp_path), "VMSS_SOCKET": str(daemon.socket)})


@pytest.fixture
def principal(user: User) -> Iterator[Callable[[str], Path]]:
    """Makes principals and their files."""
    made: list[str] = []

    def make(role: str) -> Path:
        name = f"of-{role}"
        file = user.home / f"{name}.json"
        user("principal", "create", name, "--role", role, "--file", str(file))
        made.append(name)
        return file

    yield make
    for name in made:
        user("principal", "delete", name)


def settings(folder: str, name: str = "config") -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(Path(folder) / name)
    return parser


def ask_as_az_would(exports: dict[str, str], method: str, path: str) -> httpx.Response:
    """From what is in the folder, and nothing else."""
    folder = exports["AZURE_CONFIG_DIR"]
    [entry] = json.loads((Path(folder) / "service_principal_entries.json").read_text())
    name = settings(folder)["cloud"]["name"]
    cloud = settings(folder, "clouds.config")[name]
    [subscription] = json.loads((Path(folder) / "azureProfile.json").read_text())["subscriptions"]
    assert subscription["environmentName"] == name
    assert (subscription["user"]["name"], subscription["tenantId"]) == (entry["client_id"], entry["tenant"])
    form = {
        "grant_type": "client_credentials",
        "client_id": entry["client_id"],
        "client_secret": entry["client_secret"],
        "scope": f"{cloud['endpoint_active_directory_resource_id']}/.default",
    }
    trust = ssl.create_default_context(cafile=exports["REQUESTS_CA_BUNDLE"])
    with httpx.Client(verify=trust, trust_env=False) as client:
        answer = client.post(f"{cloud['endpoint_active_directory']}/oauth2/token", data=form)
        assert answer.status_code == 200, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        url = f"{cloud['endpoint_resource_manager']}/subscriptions/{subscription['id']}{path}"
        return client.request(method, url, headers=headers, params={"api-version": "2024-11-01"})


def test_what_az_env_writes_logs_in_at_the_daemon(user: User) -> None:
    exports = user.exports("--group", "class")
    assert ask_as_az_would(exports, "GET", "/resourceGroups/class").json()["name"] == "class"
    assert settings(exports["AZURE_CONFIG_DIR"])["defaults"] == {"group": "class", "location": "local"}


def test_nobody_else_can_look_into_the_folder(user: User) -> None:
    folder = Path(user.exports()["AZURE_CONFIG_DIR"])
    assert folder.is_relative_to(user.home / ".vmss" / "az")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_the_rest_of_the_world_is_trusted_as_before(user: User) -> None:
    bundle = Path(user.exports()["REQUESTS_CA_BUNDLE"])
    assert ssl.create_default_context(cafile=str(bundle)).cert_store_stats()["x509_ca"] > 50


def test_a_second_run_keeps_the_group_and_what_the_user_configured(user: User) -> None:
    folder = user.exports("--group", "class")["AZURE_CONFIG_DIR"]
    configured = settings(folder)
    configured["defaults"]["vmss"] = "web"
    configured["output"] = {"colour": "no"}
    with (Path(folder) / "config").open("w") as file:
        configured.write(file)
    assert user.exports()["AZURE_CONFIG_DIR"] == folder
    assert settings(folder)["defaults"] == {"group": "class", "location": "local", "vmss": "web"}
    assert settings(folder)["output"]["colour"] == "no"


def test_another_login_of_az_is_left_alone(user: User) -> None:
    real = user.home / ".azure"
    real.mkdir()
    (real / "azureProfile.json").write_text("{}")
    done = user.run("az-env", "--dir", str(real))
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds another login" in done.stderr
    assert [file.name for file in real.iterdir()] == ["azureProfile.json"]


def test_az_gets_its_arguments_its_input_and_its_exit_code(user: User) -> None:
    words = ["vmss", "list", "--output", "table", "--query", "[].name", "--help", "--", "-g", ""]
    done = user.run("az", *words, stdin="typed")
    said = json.loads(done.stdout)
    assert (done.returncode, said["argv"], said["stdin"]) == (7, words, "typed")
    assert {name: said[name] for name in user.exports()} == user.exports()


def test_az_in_a_folder_that_is_there_changes_nothing(user: User) -> None:
    folder = Path(user.az("version")["AZURE_CONFIG_DIR"])
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    user("group", "delete", "default")
    user.az("version")
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    assert "default" not in user("group", "list")


def test_a_new_secret_gets_into_the_folder_and_old_tokens_out(user: User, principal: Callable[[str], Path]) -> None:
    file = principal("reader")
    mine = {"VMSS_ENDPOINT": json.loads(file.read_text())["endpoint"], "VMSS_CREDENTIALS": str(file)}
    user("group", "create", "default")
    exports = {name: value for name, value in user.az("version", **mine).items() if name.isupper()}
    tokens = Path(exports["AZURE_CONFIG_DIR"]) / "msal_token_cache.json"
    tokens.write_text("{}")
    user.az("version", **mine)
    assert tokens.exists()
    user("principal", "reset", "of-reader", "--file", str(file))
    user.az("version", **mine)
    assert not tokens.exists()
    assert ask_as_az_would(exports, "GET", "").status_code == 200


def test_a_principals_file_works_where_the_daemons_folder_cannot_be_read(
    user: User, principal: Callable[[str], Path]
) -> None:
    file = principal("reader")
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "caFile": "/not/for/you"}))
    user("group", "create", "class")
    mine = {"VMSS_ENDPOINT": content["endpoint"], "VMSS_CREDENTIALS": str(file)}
    exports = user.exports("--group", "class", **mine)
    assert ask_as_az_would(exports, "GET", "/resourceGroups/class").status_code == 200
    assert ask_as_az_would(exports, "DELETE", "/resourceGroups/class").status_code == 403
    assert exports["AZURE_CONFIG_DIR"] != user.exports()["AZURE_CONFIG_DIR"], "each login has its folder"


@pytest.mark.parametrize("name", ["nothing", "/nowhere/az"])
def test_without_az_there_is_a_hint(user: User, name: str) -> None:
    missing = {"VMSS_AZ": name} if name.startswith("/") else {"PATH": "/usr/bin:/bin"}
    if name == "nothing" and any((Path(each) / "az").exists() for each in ("/usr/bin", "/bin")):
        pytest.skip("az is in the system's own folders")
    done = user.run("az", "version", **missing)
    assert (done.returncode, done.stdout) == (3, "")
    assert "pip install azure-cli" in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read as a principal's file"),
        ("[]", "is no principal's file"),
        ('{"clientId": "x"}', "lacks clientSecret, tenantId, subscriptionId, endpoint"),
        (
            '{"clientId": "x", "clientSecret": "x", "tenantId": "x", "subscriptionId": "x", "endpoint": null}',
            "serves no HTTPS",
        ),
    ],
)
def test_a_file_that_logs_nobody_in_is_refused(user: User, content: str, says: str) -> None:
    file = user.home / "mine.json"
    file.write_text(content)
    done = user.run("az-env", "--principal-file", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert not (user.home / ".vmss").exists()


def test_a_secret_is_shown_once(user: User) -> None:
    made = json.loads(user("principal", "create", "ada", "--role", "operator", "-o", "json"))
    secret = made["properties"]["clientSecret"]
    again = user("principal", "create", "ada", "--role", "reader", "-o", "json")
    shown = [again, user("principal", "show", "ada", "-o", "json"), user("principal", "list", "-o", "json")]
    assert not any(secret in text for text in shown)
    assert json.loads(again)["properties"]["role"] == "reader"
    other = json.loads(user("principal", "reset", "ada", "-o", "json"))["properties"]["clientSecret"]
    assert other != secret
    assert "deleted" in user("principal", "delete", "ada")
    assert user.run("principal", "show", "ada").returncode == 3


def test_who_is_there_already_has_no_secret_for_a_file(user: User, principal: Callable[[str], Path]) -> None:
    principal("reader")
    file = user.home / "other.json"
    done = user.run("principal", "create", "of-reader", "--role", "owner", "--file", str(file))
    assert done.returncode == 2
    assert "principal reset" in done.stderr
    assert not file.exists()
    assert json.loads(user("principal", "show", "of-reader", "-o", "json"))["properties"]["role"] == "reader"


def test_a_file_with_a_secret_is_for_its_owner_alone(principal: Callable[[str], Path]) -> None:
    assert stat.S_IMODE(principal("operator").stat().st_mode) == 0o600


def test_groups_are_made_shown_tagged_and_deleted(user: User) -> None:
    made = json.loads(user("group", "create", "red", "--tags", "course=vmss", "year=1", "-o", "json"))
    assert made["tags"] == {"course": "vmss", "year": "1"}
    assert json.loads(user("group", "create", "red", "-o", "json"))["tags"] == made["tags"], "not given: they stay"
    assert "red" in user("group", "list")
    assert "Succeeded" in user("group", "show", "red")
    assert "deleted group red" in user("group", "delete", "red")
    assert user.run("group", "show", "red").returncode == 3


def test_a_tag_without_a_value_is_refused_before_anything_is_made(user: User) -> None:
    assert user.run("group", "create", "blue", "--tags", "course").returncode == 2
    assert user.run("group", "show", "blue").returncode == 3


def test_without_https_az_env_says_which_setting_az_needs(tmp_path: Path, user: User) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    plain = Daemon(folder)
    plain.start()
    try:
        done = user.run("az-env", VMSS_SOCKET=str(plain.socket))
    finally:
        plain.close()
    assert done.returncode == 2
    assert "set https_listen" in done.stderr
