"""The site's table of paths: what it may say, and what becomes of a command whose paths are all converted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore import hosts, permissions
from qbcore.commands import argv_for, cwd_for, flight_argv
from qbcore.constants import FLAGS
from qbcore.errors import Invalid
from qbcore.paths import convert_path, convert_words, parse_paths, prefixes_for

ROOT = Path(__file__).resolve().parents[2]
SHOW = {"linux": "/mnt/show", "windows": "S:\\", "darwin": "/Volumes/show"}
TEXTURES = {"linux": "/mnt/tex", "windows": "\\\\nas\\tex"}
TABLE = parse_paths(json.dumps([SHOW, TEXTURES]))
LINUX = prefixes_for(TABLE, "Linux")
WINDOWS = prefixes_for(TABLE, "windows")


def test_a_host_is_told_the_prefixes_of_the_other_systems_and_its_own() -> None:
    assert LINUX == {
        "/mnt/show": "/mnt/show",
        "S:\\": "/mnt/show",
        "/Volumes/show": "/mnt/show",
        "/mnt/tex": "/mnt/tex",
        "\\\\nas\\tex": "/mnt/tex",
    }
    assert prefixes_for(TABLE, "freebsd") == prefixes_for((), "linux") == {}


def test_a_path_that_is_right_already_stays_where_another_systems_prefix_is_shorter() -> None:
    known = prefixes_for(parse_paths('[{"linux": "/mnt/show", "darwin": "/mnt"}]'), "linux")
    assert (convert_path("/mnt/show/a", known), convert_path("/mnt/b", known)) == ("/mnt/show/a", "/mnt/show/b")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "FARM_PATHS"),
        ("{}", "FARM_PATHS"),
        ('["/mnt"]', "FARM_PATHS[0]"),
        ('[{"linux": "/mnt"}]', "FARM_PATHS[0]"),
        ('[{"linux": "/mnt", "linus": "/x"}]', "FARM_PATHS[0]"),
        ('[{"linux": "/mnt", "windows": 5}]', "FARM_PATHS[0].windows"),
        ('[{"linux": "mnt", "windows": "S:"}]', "FARM_PATHS[0].linux"),
    ],
)
def test_a_malformed_table_is_refused_with_its_place(text: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_paths(text)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("command", "becomes"),
    [
        ("render S:\\a\\b.ma", "render /mnt/show/a/b.ma"),
        ("r --scene=s:/a.ma -t \\\\nas\\tex\\w;ls S:/x", "r --scene=/mnt/show/a.ma -t /mnt/tex/w;ls /mnt/show/x"),
        ("cat 'S:\\a b\\c' \"S:/d e\">/Volumes/show/f", "cat '/mnt/show/a b/c' \"/mnt/show/d e\">/mnt/show/f"),
        ("sh -c 'cat S:/a S:/b'", "sh -c 'cat /mnt/show/a /mnt/show/b'"),
        ("echo /Volumes/shows /home/a notS:/x ../S: http://S:/y", "echo /Volumes/shows /home/a notS:/x ../S: http://S:/y"),
        ("(cd /Volumes/show && ls)", "(cd /mnt/show && ls)"),
    ],
)  # fmt: skip
def test_every_path_of_a_command_that_lies_under_a_known_prefix_is_converted(command: str, becomes: str) -> None:
    assert convert_words(command, LINUX) == becomes


def test_paths_become_those_of_windows_too() -> None:
    assert convert_words("r /mnt/show/A/b -o=/mnt/tex/c", WINDOWS) == "r S:\\A\\b -o=\\\\nas\\tex\\c"


@given(st.text(alphabet="ab '\"/=;", max_size=30))
def test_a_command_without_known_paths_is_not_changed(command: str) -> None:
    assert convert_words(command, LINUX) == command


def job(**fields: Any) -> dict[str, Any]:
    return {"prototype": "cmdrange", "package": {"cmdline": "r S:/f.QB_FRAME_NUMBER QB_CONVERT_PATH(S:/m)"}, **fields}


def test_the_flag_converts_the_whole_command_its_checks_and_its_folder() -> None:
    flagged = job(flags=FLAGS["convert_path"], cwd="S:\\a")
    assert argv_for(flagged, "7", LINUX)[2] == "r /mnt/show/f.7 /mnt/show/m"
    assert flight_argv(flagged, "ls S:/x", LINUX)[2] == "ls /mnt/show/x"
    assert cwd_for(flagged, LINUX) == "/mnt/show/a"


def test_without_the_flag_only_what_is_marked_is_converted() -> None:
    plain = job(flags=8, cwd="S:/a")
    assert argv_for(plain, "7", LINUX)[2] == "r S:/f.7 /mnt/show/m"
    assert flight_argv(plain, "ls S:/x QB_CONVERT_PATH(S:/x)", LINUX)[2] == "ls S:/x /mnt/show/x"
    assert (cwd_for(plain, LINUX), cwd_for(job(), LINUX)) == ("S:/a", "")
    assert cwd_for(job(cwd="QB_CONVERT_PATH(S:/a)"), LINUX) == "/mnt/show/a"


@pytest.mark.django_db
def test_a_worker_learns_the_paths_of_its_system_when_it_says_hello(settings: Any) -> None:
    settings.FARM_PATHS = TABLE
    told = {}
    for system in ("Linux", "Darwin"):
        host = hosts.join({"name": system, "token": permissions.new_join_token(), "protocol": 1})["host"]
        body = {"protocol": 1, "session": "a" * 32, "facts": {"os": system, "slots": 1}, "held": {}}
        told[system] = hosts.hello(host, body)["paths"]
    assert told["Linux"] == LINUX
    assert told["Darwin"]["S:\\"] == "/Volumes/show"


@pytest.mark.parametrize("how", ["text", "file"])
def test_the_table_is_given_as_text_or_as_a_file(tmp_path: Path, how: str) -> None:
    text = json.dumps([SHOW])
    (tmp_path / "paths.json").write_text(text)
    run = settings_with(tmp_path, text if how == "text" else str(tmp_path / "paths.json"))
    assert (run.returncode, run.stdout) == (0, f"{(SHOW,)}\n")


@pytest.mark.parametrize("given", ["/nowhere/paths.json", "[1]"])
def test_a_farm_with_a_wrong_table_does_not_start_and_says_why(tmp_path: Path, given: str) -> None:
    run = settings_with(tmp_path, given)
    assert run.returncode == 2
    assert run.stderr.startswith("The farm cannot start: FARM_PATHS") and run.stderr.count("\n") == 1


def settings_with(folder: Path, table: str) -> subprocess.CompletedProcess[str]:
    code = "from farm import settings; print(settings.FARM_PATHS)"
    env = {**os.environ, "FARM_PATHS": table, "FARM_DATA": str(folder / "data")}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
