"""The subcommands that take more than their function: submit, modify, archives, waiting."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from qbcore import surface
from qbcore.cli.presence import absent_jobs
from qbcore.cli.printing import Printer
from qbcore.cli.values import json_of, mapping_of
from qbcore.constants import QB_API_BINARY, QB_API_XML
from qbcore.errors import Invalid, NotFound, QubeError
from qbcore.ids import parse_job_or_subjob

Namespace = argparse.Namespace
Parser = argparse.ArgumentParser
FORMATS = {"xml": QB_API_XML, "binary": QB_API_BINARY}
ENDED_WELL, LEFT, FAILED = 0, 1, 5
COMMON = (
    "name", "label", "priority", "cpus", "account", "notes", "cluster", "restrictions", "requirements", "reservations",
    "groups", "hosts", "omithosts", "omitgroups", "hostorder", "timelimit", "agenda_timelimit", "retrywork",
    "retrysubjob", "retrywork_delay", "mailaddress",
)  # fmt: skip
AT_SUBMIT = ("user", "dependency", "flags", "status", "cwd", "kind", "pgrp", "max_cpus")


def _field_options(parser: Parser, names: tuple[str, ...]) -> None:
    for name in names:
        parser.add_argument(f"--{name}", metavar=name.upper(), default=None)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any other field; package.KEY and env.KEY too"
    )


def _fields(given: Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    chosen = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    return {**chosen, **mapping_of(given.set)}


def submit_arguments(parser: Parser) -> None:
    parser.add_argument("file", nargs="*", help="JSON of a job or of several; - reads standard input")
    parser.add_argument("--prototype", help="cmdrange with --range, else cmdline")
    parser.add_argument("--cmdline", help="the command that is run")
    parser.add_argument("--range", help="the frames: 1-100, 1-10x2, 1-5,8")
    _field_options(parser, (*COMMON, *AT_SUBMIT))


def submit(given: Namespace, printer: Printer) -> int:
    found = surface.submit(_described(given))
    if printer.as_json or printer.names:
        printer.show([dict(job) for job in found])
    else:
        printer.show([job["id"] for job in found])
    return 0


def validatejob(given: Namespace, printer: Printer) -> int:
    """0 when submit would take them all, else 1 and what is wrong."""
    for job in _described(given):
        if not surface.validatejob(job):
            raise QubeError(surface.error())
    printer.show(result=True)
    return 0


def _described(given: Namespace) -> list[dict[str, Any]]:
    """The jobs of the files, or the one of the options."""
    jobs = [job for file in given.file for job in _jobs_in(file)]
    fields = _fields(given, (*COMMON, *AT_SUBMIT))
    package = {key: getattr(given, key) for key in ("cmdline", "range") if getattr(given, key) is not None}
    if given.prototype:
        fields["prototype"] = given.prototype
    if not jobs:
        if not package and not fields:
            raise Invalid("there is no job to submit", hint="Give a file, or --cmdline and maybe --range.")
        jobs = [{"prototype": "cmdrange" if given.range else "cmdline"}]
    return [_completed(job, fields, package) for job in jobs]


def _completed(job: dict[str, Any], fields: dict[str, Any], package: dict[str, Any]) -> dict[str, Any]:
    """A job with what the options say over what its file says."""
    merged = {**job, **fields}
    for key, own in (("package", package), ("env", {})):
        parts = (_part(job, key), _part(fields, key), own)
        if any(parts):
            merged[key] = {name: value for part in parts for name, value in part.items()}
    return merged


def _part(given: dict[str, Any], key: str) -> dict[str, Any]:
    found = {} if given.get(key) is None else given[key]
    if not isinstance(found, dict):
        raise Invalid(f"{key} must be a dictionary", field=key, hint=f"Write {key}.KEY=VALUE with --set.")
    return found


def _jobs_in(file: str) -> list[dict[str, Any]]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}", field="file") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{file} is no text in UTF-8", field="file") from error
    found = json_of(text, "standard input" if file == "-" else file)
    jobs = found if isinstance(found, list) else [found]
    if not jobs or not all(isinstance(job, dict) for job in jobs):
        raise Invalid("this is neither a job nor a list of jobs", field=file)
    return jobs


def modify_arguments(parser: Parser) -> None:
    parser.add_argument("jobid", nargs="+")
    _field_options(parser, COMMON)


def modify(given: Namespace, printer: Printer) -> int:
    changes = _fields(given, COMMON)
    if not changes:
        raise Invalid("say what to change", hint="For example: qb modify --priority 100 250")
    missing = absent_jobs(given.jobid)
    printer.show(surface.modify(changes, *given.jobid))
    return refuse_absent(missing, printer)


def refuse_absent(missing: list[str], printer: Printer) -> int:
    for sentence in missing:
        printer.complain(sentence)
    return 3 if missing else 0


def archive_arguments(parser: Parser) -> None:
    parser.add_argument("filename")
    parser.add_argument("jobid")
    parser.add_argument("--format", choices=FORMATS, default="xml")


def archivejob(given: Namespace, printer: Printer) -> int:
    number = parse_job_or_subjob(given.jobid).job
    found = surface.jobinfo(id=number, agenda=True, subjobs=True, callbacks=True)
    if not found:
        return refuse_absent([f"There is no job {number}."], printer)
    size = surface.archivejob(given.filename, found[0], FORMATS[given.format])
    printer.show(size if printer.as_json else f"{size} bytes")
    return 0


def recover_arguments(parser: Parser) -> None:
    parser.add_argument("filename")
    parser.add_argument("--submit", action="store_true", help="submit it: a new job with a new id")


def recoverjob(given: Namespace, printer: Printer) -> int:
    job = surface.recoverjob(given.filename)
    if job is None:
        raise QubeError(surface.error())
    if given.submit:
        printer.show([one["id"] for one in surface.submit(job)])
    else:
        Printer(printer.out, printer.err, as_json=True, names=printer.names).show(job)
    return 0


def wait_arguments(parser: Parser) -> None:
    parser.add_argument("jobid", nargs="+")


def waitfor(given: Namespace, printer: Printer) -> int:
    """--timeout is how long to wait, in seconds; 0 complete, 5 one failed or was killed, 1 not over yet."""
    missing = absent_jobs(given.jobid)
    there = [one for one in given.jobid if not missing or f"There is no job {_number(one)}." not in missing]
    found = surface.waitfor(*there, timeout=given.timeout) if there else []
    printer.show(found)
    if missing:
        return refuse_absent(missing, printer)
    gone = {_number(one) for one in there} - {job["id"] for job in found}
    if gone:
        raise NotFound(f"Job {min(gone)} was removed meanwhile.")
    return _outcome({job["status"] for job in found})


def _number(text: str) -> int:
    return parse_job_or_subjob(text).job


def _outcome(statuses: set[str]) -> int:
    if statuses - {"complete", "failed", "killed"}:
        return LEFT
    return FAILED if statuses - {"complete"} else ENDED_WELL
