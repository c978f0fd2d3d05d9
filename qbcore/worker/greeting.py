"""How a worker begins: it joins once, ends what an earlier one left behind, and says hello."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from qbcore.worker.client import PROTOCOL, BadToken, Client, Contradiction, NoAnswer, OtherVersion, Refusal, pauses
from qbcore.worker.groups import Leader
from qbcore.worker.leftovers import end_leftovers, traces
from qbcore.worker.lineage import mark_of
from qbcore.worker.state import Identity, StateFolder, Stopped

log = logging.getLogger(__name__)

_REFUSED = "the supervisor refuses this worker: {}."  # what is wrong and what to do are the supervisor's words


@dataclass(frozen=True)
class Welcome:
    """What a hello gave: the session to speak in, seconds between beats, how many grants fit here.

    `paths`: prefixes of other systems' paths and what they are here.
    """

    session: str
    beat: float
    slots: int
    paths: Mapping[str, str] = field(default_factory=dict)


def identity(folder: StateFolder, client: Client, name: str, join: Path | None) -> Identity:
    """Who this host is, joining with the token in that file when it has not joined yet. Raises Stopped."""
    known = folder.identity()
    if known is None:
        known = _join(client, name, join)
        folder.reports.drop(list(folder.reports.records))  # of the host that this was before
        _keep_identity(folder, known)
        log.info("joined as %s", known.name)
    if known.name != name:
        raise Stopped(f"--name: {folder.path} belongs to the host {known.name}. Give that name, or another --state.")
    return known


def end_leavings(folder: StateFolder) -> int:
    """Ends what a worker that was killed left running, whose attempts are lost; how many processes that were."""
    records = folder.groups.records
    leaders = [Leader(*record) for record in records.values()]
    ended = end_leftovers(traces(leaders, mark_of(folder.path), folder.spool))
    if ended:
        log.warning("ended %d processes that an earlier worker had left running", ended)
    folder.groups.drop(list(records))
    return ended


def hello(folder: StateFolder, client: Client, facts: dict[str, Any], *, ended: int = 0) -> Welcome:
    """Begins a session, however long the answer takes. Raises Stopped when the supervisor does not want this worker.

    `ended`: how many processes of an earlier worker this one had to end.
    """
    session = secrets.token_hex(16)
    previous = folder.previous_sessions()
    folder.keep_session(session, confirmed=False)
    said = {"protocol": PROTOCOL, "session": session, "facts": facts, "held": _held(folder), "ended": ended}
    for index, one in enumerate(previous):
        try:
            answer = _ask(client, "hello", {**said, "previous": one})
        except Contradiction as other:
            if index + 1 < len(previous):
                continue
            raise Stopped(_REFUSED.format(other)) from other
        except BadToken as refused:
            raise Stopped(_REFUSED.format(refused)) from refused
        break
    folder.keep_session(session, confirmed=True)
    slots = int(answer.get("slots") or facts["slots"])
    return Welcome(session, float(answer["beat"]), slots, dict(answer.get("paths") or {}))


def _join(client: Client, name: str, join: Path | None) -> Identity:
    if join is None:
        raise Stopped("--join: this host has not joined yet. Make a token with `manage.py jointoken`, name its file.")
    try:
        token = join.read_text().strip()
    except OSError as error:
        raise Stopped(f"--join: {join} cannot be read: {error.strerror}.") from error
    try:
        answer = _ask(client, "join", {"name": name, "token": token, "protocol": PROTOCOL})
    except BadToken as refused:
        raise Stopped(f"--join: {refused}.") from refused
    except Contradiction as taken:
        raise Stopped(f"--name: {taken}.") from taken
    return Identity(int(answer["host"]), str(answer["name"]), str(answer["token"]))


def _keep_identity(folder: StateFolder, known: Identity) -> None:
    """However long that takes: a join token works once, and what came for it is nowhere else."""
    for pause in pauses():
        try:
            folder.keep_identity(known)
        except OSError as error:
            log.error("cannot keep this host's token in %s: %s; trying again", folder.path, error.strerror)
            time.sleep(pause)
        else:
            return


def _ask(client: Client, what: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer, however long it takes to come. Refusals that mean the same for every question stop the worker."""
    return _patiently(what, lambda: client.post(what, orjson.dumps(body)))


def _patiently(what: str, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    for pause in pauses():
        try:
            return ask()
        except OtherVersion as other:
            raise Stopped(_REFUSED.format(other)) from other
        except NoAnswer as silence:
            pause = max(pause, silence.after * random.uniform(1.0, 1.2))
            log.warning("the supervisor does not answer (%s); trying again in %.1f s", silence, pause)
        except (BadToken, Contradiction):
            raise
        except Refusal as refused:
            raise Stopped(f"--supervisor: it refused '{what}': {refused}. Is this the right address?") from refused
        time.sleep(pause)
    raise AssertionError("pauses never end")


def _held(folder: StateFolder) -> dict[str, list[int]]:
    """Attempts that have ended and were not reported before the restart: they are not lost."""
    held: dict[str, list[int]] = {}
    for number, report in folder.reports.records.items():
        held.setdefault(str(report["grant"]), []).append(number)
    return held
