"""From the words of a command line to a call, its output and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NoReturn

from qbcore import surface
from qbcore.cli import completion, deriving, following, jobs
from qbcore.cli.presence import absent_hosts, absent_jobs, absent_work
from qbcore.cli.printing import Printer
from qbcore.cli.values import list_of
from qbcore.errors import QubeError, Unreachable

Namespace = argparse.Namespace
FINE, REFUSED, USAGE, ABSENT, UNREACHABLE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 4, 130, 141
OF_A_PROCESS = frozenset({"error", "setsupervisor", "settimeout", "gettimeout"})
"""What a script says to its own process: here --supervisor and --timeout do it."""
NAMES = sorted(
    name
    for name in surface.__all__
    if name not in OF_A_PROCESS and callable(getattr(surface, name)) and not isinstance(getattr(surface, name), type)
)
RANGED = ("gen", "range", "binary")
OWN: dict[str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[Namespace, Printer], int]]] = {
    "submit": (jobs.submit_arguments, jobs.submit),
    "validatejob": (jobs.submit_arguments, jobs.validatejob),
    "modify": (jobs.modify_arguments, jobs.modify),
    "archivejob": (jobs.archive_arguments, jobs.archivejob),
    "recoverjob": (jobs.recover_arguments, jobs.recoverjob),
    "ping": (lambda parser: _where(parser), lambda given, printer: _ping(given, printer)),
    "waitfor": (jobs.wait_arguments, jobs.waitfor),
    **{name: (following.arguments, following.reader(name)) for name in ("stdout", "stderr", "log")},
}
EXITS = """\
exit codes: 0 fine, 1 refused or failed, 2 wrong usage, 3 an id that the farm does not know, 4 no farm answers,
5 waitfor: a job failed or was killed, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; its exit code. Errors are sentences on standard error, never a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # no name of a job may end a command
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        with contextlib.suppress(OSError):  # what is left in the buffer must not be tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except QubeError as error:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        sys.stderr.write(f"qb: {error}\n")
        return UNREACHABLE if isinstance(error, Unreachable) else REFUSED


def _run(words: list[str]) -> int:
    if words[:1] == ["__complete"]:
        sys.stdout.write("".join(f"{word}\n" for word in completion.candidates(words[1:], parsers()[1])))
        return FINE
    parser, commands = parsers()
    if words[:1] == ["help"]:
        return _help(parser, commands, words[1:])
    given, strange = parser.parse_known_args(_spaced(words))
    if strange:
        commands.get(given.command or "", parser).error(f"unrecognized arguments: {' '.join(strange)}")
    if given.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    if given.command == "completion":
        sys.stdout.write(completion.SCRIPTS[given.shell])
        return FINE
    printer = Printer(sys.stdout, sys.stderr, bool(given.json), bool(given.quiet), list_of(given.fields or ()))
    if given.supervisor:
        surface.setsupervisor(given.supervisor)
    if given.timeout is not None and given.command not in ("waitfor", "ping"):
        surface.settimeout(int(given.timeout * 1000))
    return OWN.get(given.command, ((), _call))[1](given, printer)


def _help(parser: argparse.ArgumentParser, commands: dict[str, argparse.ArgumentParser], asked: list[str]) -> int:
    for name in asked:
        if name not in commands:
            parser.error(f"there is no command '{name}'")
    (commands[asked[0]] if asked else parser).print_help()
    return FINE


def _spaced(words: list[str]) -> list[str]:
    """A range may begin with a minus; with a space before it argparse takes it for no option."""
    is_ranged = any(word.startswith(RANGED) for word in words[:1])
    return [f" {word}" if is_ranged and word[:1] == "-" and word[1:2].isdigit() else word for word in words]


def _call(given: Namespace, printer: Printer) -> int:
    """A command that is its function and nothing more."""
    name = given.command
    missing = _absent_before(given)
    result = deriving.call(name, given)
    is_bare = name.startswith("gen") and not printer.as_json and not printer.names
    printer.show([item["name"] for item in result] if is_bare else result)
    if "workid" in given:
        missing = absent_work(given.workid, result)
    elif name in ("jobinfo", "hist") and not result:
        missing = missing or _absent_rows(given)
    if result == [] and not missing and ("jobid" in given or "workid" in given) and name != "hist":
        printer.remark("Nothing changed.")
    return jobs.refuse_absent(missing, printer)


def _absent_before(given: Namespace) -> list[str]:
    """What is not there is looked for before the call, since `remove` leaves nothing to find."""
    name = given.command
    if "jobid" in given and name != "hist":
        return absent_jobs(given.jobid)
    if name in ("jobinfo", "hostorder") and given.id:
        return absent_jobs(given.id)
    if name in ("hostinfo", "workerinfo", "workerlock", "workerban", "workerdrain", "workerforget", "joborder"):
        return absent_hosts(given.name)
    return absent_hosts([given.host]) if getattr(given, "host", None) else []


def _absent_rows(given: Namespace) -> list[str]:
    """History outlives its job: only where there is none is the job unknown."""
    return absent_jobs(given.jobid) if given.command == "hist" else []


def _ping(given: Namespace, printer: Printer) -> int:
    facts: Any = surface.ping(
        host=given.host or given.named, port=given.port, supervisor=given.supervisor,
        timeout=10 if given.timeout is None else given.timeout, asDict=True,
    )  # fmt: skip
    printer.show(facts)
    return FINE if facts["alive"] else UNREACHABLE


def _where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", nargs="?", help="the supervisor to ask: a name, name:port or URL")
    parser.add_argument("--host", dest="named", metavar="HOST", help="the same")
    parser.add_argument("--port", type=int, help="the supervisor's port; 8000 unless its address says otherwise")


class _Parser(argparse.ArgumentParser):
    """Says where help is, besides what is wrong."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


@cache
def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """The parser, and that of each command."""
    parser = _Parser(prog="qb", description="The render farm on the command line. `qb help COMMAND` tells more.",
                     epilog=EXITS, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    _everywhere(parser, suppressed=False)
    found = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    commands: dict[str, argparse.ArgumentParser] = {}
    for name in NAMES:
        doc = surface_doc(name)
        commands[name] = found.add_parser(
            name, help=doc.partition("\n")[0].replace("%", "%%"), description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
        )  # fmt: skip
        _everywhere(commands[name], suppressed=True)
        OWN[name][0](commands[name]) if name in OWN else deriving.add_arguments(name, commands[name])
    shell = found.add_parser("completion", help="Print the completion script of a shell: eval it in its start file.")
    shell.add_argument("shell", choices=completion.SCRIPTS)
    return parser, {**commands, "completion": shell}


def surface_doc(name: str) -> str:
    """A function's docstring without what only its maintainers need."""
    lines = (getattr(surface, name).__doc__ or "").strip().split("\n")
    text = "\n".join(line.strip() for line in lines)
    return text.partition("Source:")[0].strip()


def _everywhere(parser: argparse.ArgumentParser, *, suppressed: bool) -> None:
    """Options of all commands, before the command or after it; what stands after it wins."""

    first: Any = argparse.SUPPRESS if suppressed else None
    parser.add_argument("--json", action="store_true", default=first, help="one JSON document")
    parser.add_argument("--fields", action="append", default=first, metavar="NAME,...", help="these fields only")
    parser.add_argument("--supervisor", default=first, help="name, name:port or URL; else QB_SUPERVISOR")
    parser.add_argument("--timeout", type=float, default=first, metavar="SECONDS", help="how long to wait")
    parser.add_argument("--quiet", "-q", action="store_true", default=first, help="print errors only")
