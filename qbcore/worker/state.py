"""The state folder: who this host is, its token, its session, and what a crash must not lose."""

from __future__ import annotations

import fcntl
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import orjson

from qbcore.worker.journal import Journal

log = logging.getLogger(__name__)


class Stopped(Exception):  # noqa: N818 -- reads as what happened
    """The worker cannot start or go on; the text says why and what to do."""


@dataclass(frozen=True)
class Identity:
    """What the supervisor gave this host when it joined. The token never leaves this folder and the requests."""

    host: int
    name: str
    token: str


class StateFolder:
    """A folder of mode 0700 that one worker at a time holds. Raises Stopped when another one does.

    `reports` keeps reports until they are accepted, `groups` the process groups that run, `spool` their output.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _locked(path)
        self.spool = path / "spool"
        self._session = b""
        try:
            self.spool.mkdir(mode=0o700, exist_ok=True)
            self.reports = Journal(path / "reports.jsonl")
            self.groups = Journal(path / "groups.jsonl")
        except OSError as error:
            os.close(self._lock)
            raise Stopped(f"--state: {error.filename} cannot be used: {error.strerror}. Make room for it.") from error

    def __enter__(self) -> StateFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reports.close()
        self.groups.close()
        os.close(self._lock)

    def identity(self) -> Identity | None:
        """Who this host is, None when it has not joined yet."""
        file = self.path / "host.json"
        return Identity(**orjson.loads(file.read_bytes())) if file.exists() else None

    def keep_identity(self, identity: Identity) -> None:
        _write(self.path / "host.json", orjson.dumps(asdict(identity)))

    def previous_sessions(self) -> list[str]:
        """Sessions that the supervisor may know this host by, the likeliest first; ends with '' (none)."""
        file = self.path / "session.json"
        return [*(orjson.loads(file.read_bytes()) if file.exists() else []), ""]

    def keep_session(self, session: str, *, confirmed: bool) -> None:
        """Before a hello is answered both the old and the new session may be the known one."""
        older = [] if confirmed else [known for known in self.previous_sessions() if known]
        self._session = orjson.dumps([session, *older][:4])
        self._save_session()

    @property
    def dirty(self) -> bool:
        """Something could not be written and waits for room on the disk."""
        return bool(self._session) or self.reports.dirty or self.groups.dirty

    def mend(self) -> None:
        """Writes what could not be written before, if that is possible now."""
        self.reports.mend()
        self.groups.mend()
        if self._session:
            self._save_session()

    def _save_session(self) -> None:
        """Without it a worker that follows after a crash has to wait for a lease; nothing else is lost."""
        try:
            _write(self.path / "session.json", self._session)
        except OSError as error:
            log.error("cannot write %s: %s", self.path / "session.json", error.strerror)
        else:
            self._session = b""


def _locked(path: Path) -> int:
    """The folder's lock, which the system lets go of when this process ends in whatever way."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Stopped(f"--state: {path} cannot be used: {error.strerror}. Name a folder of this user.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        os.close(lock)
        raise Stopped(f"--state: another worker is using {path}. Stop it, or give each its own folder.") from taken
    return lock


def _write(path: Path, content: bytes) -> None:
    """All or nothing, readable by this user only, on the disk when it returns."""
    beside = path.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
