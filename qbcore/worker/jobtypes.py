"""The custom job types of this host: folders with a job.conf and the program that it names. docs/jobtypes.md."""

from __future__ import annotations

import configparser
import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import qbcore
from qbcore.commands import PROTOTYPES
from qbcore.errors import Invalid
from qbcore.renderlines import KEY, pattern

log = logging.getLogger(__name__)

CONF = "job.conf"
SECTION = "execute module"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
CLIENT_WORDS = Path(qbcore.__file__).resolve().parent.parent
"""Where `import qb` finds the module."""


class Malformed(Exception):  # noqa: N818 -- reads as what is wrong
    """A folder that looks like a job type and is none; the text says why."""


@dataclass(frozen=True)
class JobType:
    """A type that this host can run. `settings`: all of its job.conf by section, unknown keys too."""

    name: str
    folder: Path
    library: Path
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def argv(self) -> list[str]:
        return [sys.executable, str(self.library)]

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment of its program: what a job's process gets, `import qb`, and where the type lies."""
        before = env.get("PYTHONPATH")
        return {
            "PYTHONUNBUFFERED": "1",
            **env,
            "PYTHONPATH": os.pathsep.join([str(CLIENT_WORDS), *([before] if before else [])]),
            "QB_JOBTYPE": self.name,
            "QB_JOBTYPE_DIR": str(self.folder),
        }


def discover(folders: str) -> dict[str, JobType]:
    """The types in these folders (a list as in PATH); of two of one name the first counts.

    One that is malformed is left out with a line in the log.
    """
    found: dict[str, JobType] = {}
    for folder in [Path(text.strip()).absolute() for text in folders.split(os.pathsep) if text.strip()]:
        if not folder.is_dir():
            log.warning("FARM_JOBTYPES: there is no folder %s on this host", folder)
            continue
        for conf in sorted(folder.glob(f"*/{CONF}")):
            try:
                found.setdefault(conf.parent.name, read(conf))
            except (Malformed, OSError) as wrong:
                log.warning("the job type in %s is left out: %s", conf.parent, wrong)
    return found


def read(conf: Path) -> JobType:
    """One type; raises Malformed."""
    name = conf.parent.name
    if not NAME.fullmatch(name) or name in PROTOTYPES:
        raise Malformed(f"{name!r} is no name for it: use letters, digits, '.', '-' and '_', and no built-in type's")
    settings = _settings(conf)
    execute = settings.get(SECTION)
    if execute is None:
        raise Malformed(f"{CONF} has no section [{SECTION}]")
    binding, library = execute.get("execute_binding", ""), execute.get("execute_library", "")
    if binding.lower() != "python":
        raise Malformed(f"execute_binding is {binding!r}: this worker runs Python")
    if not library or not (conf.parent / library).is_file():
        raise Malformed(f"execute_library: there is no file {library or '(none named)'} in the folder")
    if execute.get(KEY):
        _check_pattern(execute[KEY])
    return JobType(name, conf.parent, conf.parent / library, settings)


def _check_pattern(text: str) -> None:
    try:
        pattern(text, KEY)
    except Invalid as wrong:
        raise Malformed(str(wrong)) from wrong


def _settings(conf: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=None)
    try:
        parser.read_string(conf.read_text(encoding="utf-8-sig"))
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise Malformed(f"{CONF} cannot be read: {reason}") from error
    sections = {section.strip().lower(): parser[section] for section in parser.sections()}
    return {section: {key: _unquoted(value) for key, value in keys.items()} for section, keys in sections.items()}


def _unquoted(value: str) -> str:
    """A value without the quotes around it."""
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
