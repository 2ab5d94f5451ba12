"""compose.yaml: the services of the folder, on the cluster of deploy/nats-cluster.conf, with the commands and variables that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from busagents.bootstrap.gateway_options import gateway_options
from busagents.bootstrap.services import discover, load_definition
from busagents.cli import run
from busagents.domain.gateway import Gateway
from busagents.runtime.supervisor.nats_config import find_nats_server
from busagents.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "deploy/nats-cluster.conf"
SECRET = "a1b2c3"
KEY = "0123456789abcdef"


class Environment(dict[str, str]):
    """An environment that remembers which variables it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def interpolated(value: Any, environment: dict[str, str]) -> Any:
    """Compose's `${NAME}`, `${NAME:-default}` and `${NAME:?reason}`, in every text of the file."""

    def replaced(match: re.Match[str]) -> str:
        name, mark, rest = match["name"], match["mark"], match["rest"]
        if environment.get(name):
            return environment[name]
        if mark == ":-":
            return str(rest)
        raise KeyError(f"{name}: {rest}")

    match value:
        case dict():
            return {key: interpolated(item, environment) for key, item in value.items()}
        case list():
            return [interpolated(item, environment) for item in value]
        case str():
            return re.sub(r"\$\{(?P<name>\w+)(?:(?P<mark>:[-?])(?P<rest>[^}]*))?\}", replaced, value)
    return value


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def services(text: str) -> dict[str, Any]:
    given = {"BUSAGENTS_NATS_PASSWORD": SECRET, "BUSAGENTS_GATEWAY_KEYS": f"me={KEY}"}
    return dict(interpolated(yaml.safe_load(text)["services"], given))


@pytest.fixture(scope="module")
def nodes(services: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if service["command"].startswith("nats-server")}


@pytest.fixture(scope="module")
def participants(services: dict[str, Any], nodes: dict[str, Any]) -> dict[str, Any]:
    return {name: service for name, service in services.items() if name not in nodes}


def parsed(command: str) -> dict[str, Any]:
    """The parameters of a `busagents run` command, parsed by the verb itself and not run."""
    program, verb, *arguments = shlex.split(command)
    assert (program, verb) == ("busagents", "run")
    app = typer.Typer()
    run.register(app)
    return dict(typer.main.get_command(app).make_context("run", arguments).params)


def test_every_participant_of_the_folder_is_in_it_once_under_its_own_name(
    participants: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    started = {name: parsed(service["command"])["ref"] for name, service in participants.items()}
    found, _ = discover(["services"])
    assert sorted(started) == sorted(item.name for item in found)
    assert all(load_definition(ref).name == name for name, ref in started.items())


def test_participants_are_told_only_what_the_settings_know(participants: dict[str, Any]) -> None:
    known = Environment()
    load_settings(known)
    for service in participants.values():
        environment = service["environment"]
        assert set(environment) <= known.asked
        settings = load_settings(environment)
        assert (settings.replicas, settings.nats_user, settings.nats_password) == (3, "busagents", SECRET)


def test_participants_know_every_node(participants: dict[str, Any], nodes: dict[str, Any]) -> None:
    for service in participants.values():
        urls = service["environment"]["BUSAGENTS_NATS_URL"].split(",")
        assert urls == [f"nats://{name}:4222" for name in nodes]
        assert list(service["depends_on"]) == list(nodes)


def test_the_gateway_is_reached_from_this_machine_by_callers_with_keys(participants: dict[str, Any]) -> None:
    service = participants["gateway"]
    settings = load_settings(service["environment"]).gateway
    definition = load_definition(str(ROOT / "services" / "gateway.py"))
    assert isinstance(definition, Gateway)
    options = gateway_options(definition, settings, "1.0.0")
    assert [key.name for key in options.keys] == ["me"]
    assert options.allowed_hosts == ("*",)
    assert service["ports"] == [f"127.0.0.1:{options.port}:{options.port}"]
    assert f":{options.port}/readyz" in service["healthcheck"]["test"][-1]


def test_without_keys_the_gateway_is_refused(text: str) -> None:
    with pytest.raises(KeyError, match="set BUSAGENTS_GATEWAY_KEYS in"):
        interpolated(yaml.safe_load(text), {"BUSAGENTS_NATS_PASSWORD": SECRET})


def test_three_nodes_use_the_settings_file_and_give_it_every_variable(nodes: dict[str, Any]) -> None:
    used = set(re.findall(r"\$(\w+)", re.sub(r"(?m)#.*$", "", (ROOT / SETTINGS).read_text())))
    assert len(nodes) == 3
    for name, node in nodes.items():
        assert shlex.split(node["command"]) == ["nats-server", "--config", SETTINGS]
        assert set(node["environment"]) == used
        assert node["environment"]["NATS_NAME"] == name
        assert all(f"@{other}:6222" in node["environment"]["NATS_ROUTES"] for other in nodes)


def test_the_server_accepts_the_settings_file_with_each_nodes_variables(nodes: dict[str, Any]) -> None:
    for node in nodes.values():
        checked = subprocess.run(
            [find_nats_server(), "--config", ROOT / SETTINGS, "-t"],
            env=node["environment"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr


def test_without_a_password_it_is_refused_and_none_is_in_the_file(text: str, services: dict[str, Any]) -> None:
    with pytest.raises(KeyError, match="set BUSAGENTS_NATS_PASSWORD in"):
        interpolated(yaml.safe_load(text), {})
    uses = re.findall(r"\$\{BUSAGENTS_NATS_PASSWORD([^}]*)\}", text)
    assert uses
    assert all(use.startswith(":?") for use in uses)
    values = {
        value.strip('"')
        for service in services.values()
        for name, value in service["environment"].items()
        if name.endswith(("PASSWORD", "KEY"))
    }
    assert values == {SECRET, ""}


def test_what_it_publishes_is_for_this_machine_only(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert len(published) == len(set(published)) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_each_nodes_log_is_on_a_volume_of_its_own(nodes: dict[str, Any], text: str) -> None:
    volumes = [volume for node in nodes.values() for volume in node["volumes"]]
    assert sorted(volumes) == sorted(f"{name}:/data" for name in nodes)
    assert set(nodes) <= set(yaml.safe_load(text)["volumes"])


def test_everything_is_restarted_and_has_time_to_stop(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["restart"] == "unless-stopped"
        assert service["stop_grace_period"].endswith("s")


def copied() -> Iterator[str]:
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            yield from line.split()[1:-1]


def test_the_image_has_what_the_commands_name_and_the_build_context_no_more() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(copied()) == sorted(allowed)
    assert all((ROOT / path).exists() for path in allowed)
    assert {"services", "deploy", "busagents", "constraints.txt"} <= set(allowed)


def test_nothing_in_the_image_runs_as_root() -> None:
    assert re.findall(r"(?m)^USER (\w+)$", (ROOT / "Dockerfile").read_text()) == ["busagents"]
