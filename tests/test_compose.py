"""compose.yaml and Dockerfile, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
SERVERS = {"web", "celery", "housekeeping", "migrate", "join"}
DOCKERFILE = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())

each_service = pytest.mark.parametrize("name", sorted(SERVICES))
each_of_ours = pytest.mark.parametrize("name", OURS)


def instructions(kind: str) -> list[str]:
    return re.findall(rf"^{kind} (.*)$", DOCKERFILE, re.MULTILINE)


def words(name: str) -> list[str]:
    """A service's command as words; a shell line is taken apart."""
    command: list[str] = SERVICES[name]["command"]
    return shlex.split(command[2]) if command[:2] == ["sh", "-c"] else command


def version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_compose_follows_the_schema() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    run = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_whole_farm_is_there() -> None:
    assert set(SERVICES) == {*SERVERS, "worker", "postgres", "redis"}
    assert set(OURS) == {*SERVERS, "worker"}


@each_service
def test_an_image_is_pinned_to_an_exact_version(name: str) -> None:
    assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z]+)?$", SERVICES[name]["image"])


def test_our_image_carries_our_version() -> None:
    assert {SERVICES[name]["image"] for name in OURS} == {f"qbfarm:{version()}"}


@each_service
def test_a_service_waits_only_for_services_that_can_answer(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert wait["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"


@each_service
def test_a_volume_is_declared_and_no_folder_of_the_machine_is_used(name: str) -> None:
    used = {volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])}
    assert used <= set(COMPOSE["volumes"])


def test_every_declared_volume_is_used() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_only_the_web_process_is_reached_from_outside_and_on_loopback_unless_told() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "web": ["${FARM_BIND:-127.0.0.1}:${FARM_PORT:-8000}:8000"]
    }
    assert "8000" in instructions("EXPOSE")


def test_the_servers_share_logs_and_archives_and_the_worker_has_its_own() -> None:
    data = re.findall(r"FARM_DATA=(\S+)", DOCKERFILE)[0]
    assert all(f"farm-data:{data}" in SERVICES[name]["volumes"] for name in SERVERS)
    assert f"worker-data:{data}" in SERVICES["worker"]["volumes"]


def test_the_worker_knows_no_secret_of_the_farm() -> None:
    assert "environment" not in SERVICES["worker"]
    assert not [volume for volume in SERVICES["worker"]["volumes"] if volume.startswith(("farm-data", "postgres"))]


@each_of_ours
def test_a_command_exists_in_the_project(name: str) -> None:
    command = words(name)
    if "manage.py" in command:
        manage = command[command.index("manage.py") + 1]
        assert manage == "migrate" or (ROOT / f"farm/management/commands/{manage}.py").exists()
    else:
        assert (Path(sys.executable).parent / command[0]).exists(), f"{command[0]} is not a console command"
    asgi = [word.partition(":") for word in command if word.endswith(":application")]
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module, _colon, _name in asgi)


def test_the_image_starts_the_same_web_server_as_compose() -> None:
    image = yaml.safe_load(instructions("CMD")[-1])
    assert " ".join(image).split() == " ".join(words("web")).replace("=", " ").split()


def test_celery_listens_to_the_queues_that_exist() -> None:
    command = words("celery")
    assert command[command.index("-Q") + 1].split(",") == ["bulk", "quick"]


def test_everything_that_the_image_copies_exists_and_is_let_through() -> None:
    sources = [word for line in instructions("COPY") for word in line.split()[:-1]]
    assert sources
    assert not [source for source in sources if not (ROOT / source).exists()]
    let_through = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert {source.rstrip("/") for source in sources} == set(let_through)


def test_the_base_image_is_pinned_and_is_the_python_of_the_lock() -> None:
    (base,) = instructions("FROM")
    assert re.fullmatch(r"python:3\.11\.\d+-slim-[a-z]+", base)


def test_nothing_runs_as_root() -> None:
    assert instructions("USER")[-1] not in {"root", "0"}
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nCMD ")
    assert not [name for name in OURS if "user" in SERVICES[name] or SERVICES[name]["cap_drop"] != ["ALL"]]


def test_no_password_is_written_down() -> None:
    text = (ROOT / "compose.yaml").read_text()
    given = re.findall(r"PASSWORD: (.*)", text) + re.findall(r"://\w+:([^@\n]*)@", text)
    assert given
    assert all(value.startswith("${POSTGRES_PASSWORD:?") for value in given)
