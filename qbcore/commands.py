"""What a job's command becomes for one frame: tokens filled in, the shell chosen, the environment built.

Pure words: nothing here starts a process or looks at the machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qbcore.constants import FLAGS
from qbcore.errors import Invalid
from qbcore.paths import convert_path, convert_words

PROTOTYPES = ("cmdline", "cmdrange", "pyCmdline", "pyCmdrange")
DEFAULT_SHELL = "/bin/sh"

# A token behind $ or ${ is the shell's variable of the same name, which the environment carries.
_TOKEN = re.compile(r"(?<!\$)(?<!\$\{)QB_FRAME_(?:NUMBER|START|END|STEP|RANGE)")
_SPAN = re.compile(r"(-?[0-9]+)(?:-(-?[0-9]+)(?:x([0-9]+))?)?")
_CONVERT = re.compile(r"QB_CONVERT_PATH\(((?:[^()]|\([^()]*\))*)\)")
_PLAIN = re.compile(r" */[A-Za-z0-9_/.,:+@%-]+(?: +[A-Za-z0-9_/.,:+@%=-]+)* *")


def frame_values(name: str, padding: int = 0) -> dict[str, str]:
    """The five QB_FRAME_ values of an item: a frame '5', a chunk '1-10', a stepped chunk '1-9x2', or a word.

    All but QB_FRAME_RANGE are filled up with zeros to `padding` characters. A list of ranges begins with its first
    frame and ends with its last.
    """
    pieces = [_SPAN.fullmatch(piece.strip()) for piece in name.split(",")]
    first, last = pieces[0], pieces[-1]
    if first is None or last is None or None in pieces:
        start, end, step = name, name, "1".zfill(padding)
    else:
        start, end = first[1].zfill(padding), (last[2] or last[1]).zfill(padding)
        step = ((first[3] if len(pieces) == 1 else None) or "1").zfill(padding)
    return {
        "QB_FRAME_NUMBER": start,
        "QB_FRAME_START": start,
        "QB_FRAME_END": end,
        "QB_FRAME_STEP": step,
        "QB_FRAME_RANGE": name,
    }


def expand(text: str, values: Mapping[str, str], prefixes: Mapping[str, str], *, everywhere: bool = False) -> str:
    """The text with its QB_FRAME_ tokens replaced, then each QB_CONVERT_PATH(p) by the converted p.

    *everywhere*: all other paths in it are converted too.
    """
    filled = _TOKEN.sub(lambda token: values.get(token[0], token[0]), text)
    parts = _CONVERT.split(filled)  # every second one is what stood in a QB_CONVERT_PATH()
    parts[1::2] = [_converted(path.strip(), prefixes) for path in parts[1::2]]
    if everywhere:
        parts[::2] = [convert_words(part, prefixes) for part in parts[::2]]
    return "".join(parts)


def _converted(path: str, prefixes: Mapping[str, str]) -> str:
    """Quotes around the path stay around what it becomes."""
    if len(path) > 1 and path[0] == path[-1] and path[0] in "'\"":
        return path[0] + convert_path(path[1:-1], prefixes) + path[0]
    return convert_path(path, prefixes)


def _converts(job: Mapping[str, Any]) -> bool:
    return bool(int(job.get("flags") or 0) & FLAGS["convert_path"])


def argv_for(job: Mapping[str, Any], name: str | None, prefixes: Mapping[str, str] | None = None) -> list[str]:
    """The program and its arguments for the item of that name (None: the job has no agenda).

    `prefixes` maps paths for this host's system. Raises Invalid when the job's type or package cannot be run.
    """
    _check_prototype(job)
    package = job.get("package") or {}
    cmdline = package.get("cmdline")
    if not isinstance(cmdline, str) or not cmdline.strip():
        raise Invalid("the job has no command line", field="package.cmdline", hint="Give the command as one text.")
    values = {} if name is None else frame_values(name, frame_padding(package))
    text = expand(cmdline, values, prefixes or {}, everywhere=_converts(job))
    if "\0" in text:
        raise Invalid("a command line cannot hold the character NUL", field="package.cmdline")
    return [str(package.get("shell") or DEFAULT_SHELL), "-c", text]


def cwd_for(job: Mapping[str, Any], prefixes: Mapping[str, str]) -> str:
    """The job's folder as this host's system writes it; empty when it names none."""
    cwd = expand(str(job.get("cwd") or ""), {}, prefixes)
    return convert_path(cwd, prefixes) if _converts(job) else cwd


def flight_argv(job: Mapping[str, Any], command: str, prefixes: Mapping[str, str]) -> list[str]:
    """The program and its arguments for one flight check of a job of any type."""
    shell = (job.get("package") or {}).get("shell")
    told = {"prototype": PROTOTYPES[0], "flags": job.get("flags"), "package": {"cmdline": command, "shell": shell}}
    return argv_for(told, None, prefixes)


def without_shell(argv: list[str]) -> list[str]:
    """The same command started directly, where a shell would only split it at its spaces and start that program.

    A program that cannot be started this way (missing, a script without its first line) is the shell's to explain.
    """
    if argv[:2] == [DEFAULT_SHELL, "-c"] and _PLAIN.fullmatch(argv[2]):
        return argv[2].split()
    return argv


def environment(job: Mapping[str, Any], frame: Mapping[str, Any], base: Mapping[str, str]) -> dict[str, str]:
    """What the process of one frame sees: `base`, over it the job's env, over both what names job, frame and token.

    `job` is the start's job with `subjob` (index) and `slots` (processors taken); `frame` is the protocol's.
    """
    own = {
        "QBJOBID": str(job["id"]),
        "QBSUBID": str(job["subjob"]),
        "QBPGRPID": str(job["pgrp"]),
        "QB_JOBSLOTS": str(job["slots"]),
        "QB_TOKEN": str(frame["token"]),
        **{name: value for name, value in base.items() if name.startswith("QB_")},
    }
    if frame["pos"] >= 0:
        own.update(frame_values(str(frame["name"]), frame_padding(job.get("package") or {})))
    env = {str(name): str(value) for name, value in (job.get("env") or {}).items()}
    return {**base, **env, **own}


def _check_prototype(job: Mapping[str, Any]) -> None:
    if job.get("prototype") not in PROTOTYPES:
        known = ", ".join(PROTOTYPES)
        raise Invalid(f"this worker cannot run '{job.get('prototype')}'", field="prototype", hint=f"It runs {known}.")


def frame_padding(package: Mapping[str, Any]) -> int:
    given = package.get("padding") or 0
    if not re.fullmatch(r"[0-9]{1,2}", str(given)):
        raise Invalid(f"{given!r} is no number of digits from 0 to 99", field="package.padding", hint="Write 4.")
    return int(given)
