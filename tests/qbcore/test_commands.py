"""What a job's command line and environment become for one frame."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.commands import argv_for, convert_path, environment, frame_values, without_shell
from qbcore.errors import Invalid

WINDOWS_TO_LINUX = {"P:\\": "/mnt/projects", "P:\\shows\\old": "/mnt/archive", "//nas/tex": "/mnt/tex"}
LINUX_TO_WINDOWS = {"/mnt/projects": "P:\\", "/mnt": "M:\\mount"}
BASE = {"PATH": "/usr/bin:/bin", "HOME": "/home/ada", "QB_SUPERVISOR": "http://farm:8000"}


def job(cmdline: object = "render -f QB_FRAME_NUMBER", **package: object) -> dict[str, object]:
    return {
        "id": 250,
        "pgrp": 249,
        "subjob": 3,
        "slots": 2,
        "prototype": "cmdrange",
        "package": {"cmdline": cmdline, **package},
    }


def frame(name: str = "7", pos: int = 6) -> dict[str, object]:
    return {"attempt": 91, "pos": pos, "name": name, "package": None, "token": "qba_secret"}


def command(cmdline: str, name: str | None = "7", **package: object) -> str:
    return argv_for(job(cmdline, **package), name)[2]


@pytest.mark.parametrize(
    ("name", "start", "end", "step"),
    [
        ("7", "7", "7", "1"),
        ("1-10", "1", "10", "1"),
        ("1-9x2", "1", "9", "2"),
        ("-10--1x3", "-10", "-1", "3"),
        ("-5", "-5", "-5", "1"),
        ("1-5x2,10-12", "1", "12", "1"),
        ("1,3,9", "1", "9", "1"),
        ("left_eye", "left_eye", "left_eye", "1"),
        ("v1-final", "v1-final", "v1-final", "1"),
        ("1,", "1,", "1,", "1"),
    ],
)
def test_an_item_gives_start_end_step_and_range(name: str, start: str, end: str, step: str) -> None:
    assert list(frame_values(name).values()) == [start, start, end, step, name]


@given(st.integers(-999_999, 999_999), st.integers(0, 9))
def test_padding_writes_numbers_as_printf_does_and_leaves_the_range(number: int, padding: int) -> None:
    values = frame_values(str(number), padding)
    assert values["QB_FRAME_NUMBER"] == values["QB_FRAME_END"] == f"%0{padding}d" % number
    assert values["QB_FRAME_STEP"] == f"%0{padding}d" % 1
    assert values["QB_FRAME_RANGE"] == str(number)


def test_padding_does_not_touch_words() -> None:
    assert frame_values("eye", 8)["QB_FRAME_NUMBER"] == "eye"


def test_tokens_are_filled_in_wherever_they_stand() -> None:
    text = "r -s QB_FRAME_START -e QB_FRAME_END -b QB_FRAME_STEP -o img_QB_FRAME_NUMBERx.exr # QB_FRAME_RANGE"
    assert command(text, "1-9x2", padding="4") == "r -s 0001 -e 0009 -b 0002 -o img_0001x.exr # 1-9x2"


def test_a_shell_variable_of_the_same_name_stays_the_shells() -> None:
    text = "echo $QB_FRAME_NUMBER ${QB_FRAME_END} QB_FRAME_NUMBER"
    assert command(text, "7") == "echo $QB_FRAME_NUMBER ${QB_FRAME_END} 7"


def test_a_job_without_agenda_keeps_its_command_as_it_is() -> None:
    assert command("echo QB_FRAME_NUMBER", None) == "echo QB_FRAME_NUMBER"


@given(st.text().filter(lambda text: "\0" not in text and text.strip()))
def test_text_without_tokens_reaches_the_shell_unchanged(text: str) -> None:
    if "QB_" not in text:
        assert argv_for(job(text), "7") == ["/bin/sh", "-c", text]


def test_the_package_names_the_shell() -> None:
    assert argv_for(job("ls", shell="/bin/bash"), "1") == ["/bin/bash", "-c", "ls"]


@pytest.mark.parametrize("prototype", ["cmdline", "cmdrange", "pyCmdline", "pyCmdrange"])
def test_the_four_command_types_behave_alike(prototype: str) -> None:
    assert argv_for({**job(), "prototype": prototype}, "7") == ["/bin/sh", "-c", "render -f 7"]


@pytest.mark.parametrize(
    ("path", "becomes"),
    [
        ("P:\\shots\\a.ma", "/mnt/projects/shots/a.ma"),
        ("p:/shots/a.ma", "/mnt/projects/shots/a.ma"),
        ("P:\\shows\\old\\b.ma", "/mnt/archive/b.ma"),
        ("P:\\shows\\older\\b.ma", "/mnt/projects/shows/older/b.ma"),
        ("\\\\nas\\tex\\wood.png", "/mnt/tex/wood.png"),
        ("/home/ada/a b.ma", "/home/ada/a b.ma"),
        ("P:", "/mnt/projects"),
    ],
)
def test_paths_move_from_windows_to_linux(path: str, becomes: str) -> None:
    assert convert_path(path, WINDOWS_TO_LINUX) == becomes


def test_paths_move_from_linux_to_windows_with_case_kept() -> None:
    assert convert_path("/mnt/projects/Shots/a.ma", LINUX_TO_WINDOWS) == "P:\\Shots\\a.ma"
    assert convert_path("/mnt/other/a.ma", LINUX_TO_WINDOWS) == "M:\\mount\\other\\a.ma"
    assert convert_path("/MNT/other/a.ma", LINUX_TO_WINDOWS) == "/MNT/other/a.ma"


def test_a_command_converts_the_paths_it_marks_after_its_tokens() -> None:
    text = "r QB_CONVERT_PATH(P:/a (1)/f.QB_FRAME_NUMBER.ass) QB_CONVERT_PATH('P:/b c.ass') P:/plain"
    argv = argv_for(job(text), "7", WINDOWS_TO_LINUX)
    assert argv[2] == "r /mnt/projects/a (1)/f.7.ass '/mnt/projects/b c.ass' P:/plain"


@given(st.text(alphabet="ab/\\:", max_size=12))
def test_a_path_without_a_known_prefix_is_not_changed(path: str) -> None:
    assert convert_path(path, {"/nowhere/else": "/x", "": "/y"}) == path


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"package": {}}, "package.cmdline"),
        ({"package": {"cmdline": "  "}}, "package.cmdline"),
        ({"package": {"cmdline": ["ls", "-l"]}}, "package.cmdline"),
        ({"package": {"cmdline": "a\0b"}}, "package.cmdline"),
        ({"package": {"cmdline": "ls", "padding": "four"}}, "package.padding"),
        ({"package": {"cmdline": "ls", "padding": -1}}, "package.padding"),
        ({"prototype": "maya", "package": {"cmdline": "ls"}}, "prototype"),
    ],
)
def test_a_job_that_cannot_be_run_is_refused_by_the_name_of_the_field(bad: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        argv_for({**job(), **bad}, "1")
    assert refused.value.field == field


@pytest.mark.parametrize(
    "text", ["/bin/true", "/usr/bin/env -i A=b /bin/echo 5", " /bin/echo  a   b ", "/bin/echo x,y:z+1@2%"]
)
def test_a_plain_command_needs_no_shell(text: str) -> None:
    argv = without_shell(["/bin/sh", "-c", text])
    assert argv == shlex.split(text)
    by_shell = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True)
    assert subprocess.run(argv, capture_output=True, check=True).stdout == by_shell.stdout


@pytest.mark.parametrize(
    "text",
    [
        *("true", "A=b /bin/true", "/bin/echo $HOME", "/bin/echo *", "/bin/a;/bin/b", "/bin/echo 'a b'", "/bin/cat <x"),
        *("/bin/true &", "/bin/true # x", "/bin/echo ~", "/bin/echo {a,b}", "/bin/true\n/bin/false", "/a\\ b", ""),
    ],
)
def test_a_command_that_means_something_to_a_shell_gets_one(text: str) -> None:
    assert without_shell(["/bin/sh", "-c", text]) == ["/bin/sh", "-c", text]


def test_a_shell_that_the_job_asks_for_is_always_used() -> None:
    assert without_shell(["/bin/bash", "-c", "/bin/true"]) == ["/bin/bash", "-c", "/bin/true"]


def test_the_environment_names_job_frame_and_token() -> None:
    assert environment(job(padding=3), frame("1-9x2"), BASE) == {
        **BASE,
        "QBJOBID": "250",
        "QBSUBID": "3",
        "QBPGRPID": "249",
        "QB_JOBSLOTS": "2",
        "QB_TOKEN": "qba_secret",
        "QB_FRAME_NUMBER": "001",
        "QB_FRAME_START": "001",
        "QB_FRAME_END": "009",
        "QB_FRAME_STEP": "002",
        "QB_FRAME_RANGE": "1-9x2",
    }


def test_the_jobs_env_changes_the_path_but_not_who_it_is() -> None:
    env = {"PATH": "/opt/bin", "SCENE": 5, "QB_TOKEN": "forged", "QBJOBID": "1", "QB_SUPERVISOR": "http://evil"}
    seen = environment({**job(), "env": env}, frame(), BASE)
    assert (seen["PATH"], seen["SCENE"]) == ("/opt/bin", "5")
    assert (seen["QB_TOKEN"], seen["QBJOBID"], seen["QB_SUPERVISOR"]) == ("qba_secret", "250", "http://farm:8000")


def test_a_job_without_agenda_has_no_frame_in_its_environment() -> None:
    seen = environment(job(), frame("", -1), BASE)
    assert not [name for name in seen if name.startswith("QB_FRAME_")]
