"""The worker's command line: who it is, where its supervisor is, where it keeps its state."""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import socket
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from qbcore.errors import Invalid
from qbcore.remote.address import Address, parse_address
from qbcore.worker.accounts import Accounts, accounts
from qbcore.worker.client import Client
from qbcore.worker.disk import MB
from qbcore.worker.facts import account_environment, home
from qbcore.worker.grants import Site
from qbcore.worker.greeting import end_leavings, hello, identity
from qbcore.worker.groups import boot
from qbcore.worker.jobtypes import discover
from qbcore.worker.lineage import Lineage, mark_of
from qbcore.worker.loop import AGAIN, Worker
from qbcore.worker.outputs import Outputs
from qbcore.worker.standing import Standing
from qbcore.worker.state import StateFolder, Stopped
from qbcore.worker.thumbnails import Painter

log = logging.getLogger("qbcore.worker")


_PR_SET_DUMPABLE = 4


class Interrupted(Exception):  # noqa: N818
    """A signal asked the worker to stop before it had begun."""


def main(arguments: Sequence[str]) -> int:
    """Runs a worker; the exit code."""
    parser = ArgumentParser("python -m qbcore.worker", description="Run frames of a farm on this host.")
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--name", default=socket.gethostname(), help="this host's name on the farm")
    parser.add_argument("--join", type=Path, metavar="FILE", help="file with a join token, needed once")
    parser.add_argument(
        "--supervisor",
        type=_address,
        default=os.environ.get("QB_SUPERVISOR") or "localhost",
        metavar="URL",
        help="name, name:port or URL (default: QB_SUPERVISOR, else localhost:8000)",
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="folder of this worker alone, kept between runs")
    parser.add_argument(
        "--slots", type=_count, default=os.cpu_count() or 1, help="subjobs at once (default: processors)"
    )
    _add_folders(parser)
    parser.add_argument(
        "--config", type=Path, metavar="FILE",
        help="TOML with this host's properties, resources, cluster and groups; read again on SIGHUP",
    )  # fmt: skip
    parser.add_argument(
        "--run-as",
        default="",
        metavar="USER",
        help="as root: the account that all jobs run as, or 'job' for the account of each job's user",
    )
    parser.add_argument("--allow-root", action="store_true", help="let jobs run as root when started as root")
    parser.add_argument(
        "--spool-limit",
        type=_count,
        default=0,
        metavar="MB",
        help="output that may wait for the supervisor (default: 10240, at most half of the free disk)",
    )
    parser.add_argument("--parent", type=_count, metavar="PID", help="stop when this process is gone")


def _add_folders(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--jobtypes",
        default=os.environ.get("FARM_JOBTYPES", ""),
        metavar="DIRS",
        help=f"folders of custom job types, with {os.pathsep!r} between them (default: FARM_JOBTYPES)",
    )
    parser.add_argument(
        "--output-roots",
        default=os.environ.get("FARM_OUTPUT_ROOTS", ""),
        metavar="DIRS",
        help=f"folders with {os.pathsep!r} between them: pictures that frames write there get thumbnails "
        "(default: FARM_OUTPUT_ROOTS, else none)",
    )


def run(options: Namespace) -> int:
    """0 after handing everything back, 1 when it cannot start or is not wanted any more."""
    _log_to_stderr()
    _listen_to_signals()
    _hide()
    try:
        people = accounts(options.run_as, allow_root=options.allow_root)
        if options.parent is not None:
            _end_with(options.parent)
        with StateFolder(options.state or _default_state(options.name)) as folder:
            code = _work(folder, options, people).run()
    except Stopped as stopped:
        log.error("%s", stopped)
        return 1
    except Interrupted:
        return 0
    return code if code != AGAIN else _begin_again()


def _begin_again() -> int:
    """The same program with the same arguments in this process's place: who watches over it sees no end."""
    log.info("starting anew")
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _work(folder: StateFolder, options: Namespace, people: Accounts) -> Worker:
    """The worker, joined and greeted."""
    address: Address = options.supervisor
    ended = end_leavings(folder)
    client = Client(address)
    known = identity(folder, client, options.name, options.join)
    client.token = known.token
    types = discover(options.jobtypes)
    standing = Standing(address, options.slots, types, options.config)
    welcome = hello(folder, client, standing.facts(), ended=ended)
    client.close()
    log.info("%s works for %s", known.name, address.url)
    env = account_environment(os.environ, address.url)
    lineage = Lineage(mark_of(folder.path))
    lineage.adopt()
    roots = _roots(options.output_roots)
    painter = Painter(roots)
    outputs = Outputs(painter.offer if roots else None)
    limit = options.spool_limit * MB
    site = Site(env, home(env), boot(), welcome.paths, types, lineage, people, limit, outputs)
    painter.begin(Client(address, known.token))
    return Worker(folder, address, known.token, welcome, site, standing)


def _roots(given: str) -> list[str]:
    """Absolute folders; whether they are there is looked at for each file."""
    return [str(Path(text.strip()).absolute()) for text in given.split(os.pathsep) if text.strip()]


def _end_with(parent: int) -> None:
    """Stops this worker when that process is gone: a farm's own worker has no purpose without it.

    The system's own signal for this comes when the parent's *thread* ends, which may be long before.
    """
    try:
        gone = select.poll()
        gone.register(os.pidfd_open(parent), select.POLLIN)
    except ProcessLookupError as error:
        raise Stopped(f"--parent: there is no process {parent} any more.") from error
    threading.Thread(target=_await, args=(gone,), name="parent", daemon=True).start()


def _await(gone: select.poll) -> None:
    gone.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def _default_state(name: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "qbfarm" / name


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except Invalid as invalid:
        raise ArgumentTypeError(str(invalid)) from invalid


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s worker %(levelname)s: %(message)s"))
    log.handlers = [handler]
    log.propagate = False
    log.setLevel(logging.INFO)


def _listen_to_signals() -> None:
    """Also when they were inherited as ignored or blocked."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})


def _hide() -> None:
    """Keeps jobs, which run as the same user, from reading this process's environment and memory."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted
