"""As whom jobs run: as the worker itself, as one account, or each as the account of its user."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qbcore.worker.state import Stopped

EACH_JOBS = "job"
_REMEMBER = 60.0  # seconds: a directory service is not asked for every frame


class NoAccount(Exception):  # noqa: N818 -- reads as what is missing
    """A job cannot run as its user here; the text says why and what to do."""


@dataclass(frozen=True)
class Account:
    """An account of this host; `groups` are the supplementary ones."""

    name: str
    user: int
    group: int
    groups: tuple[int, ...]
    home: str

    def numbers(self) -> tuple[int, int, tuple[int, ...]]:
        """User, group and groups, for a program that becomes this account by itself."""
        return self.user, self.group, self.groups

    def environment(self) -> dict[str, str]:
        """What of a job's environment depends on the account."""
        return {"HOME": self.home, "USER": self.name, "TMPDIR": _shared_folder()}

    def folder(self) -> str:
        """Where a job without a working folder runs."""
        return self.home if Path(self.home).is_dir() else "/"


class Accounts:
    """`run_as`: empty (the worker's own account), the name of an account, or 'job' (that of each job's user)."""

    def __init__(self, run_as: str = "", *, allow_root: bool = False) -> None:
        self._run_as = run_as
        self._allow_root = allow_root
        self._known: dict[str, tuple[float, Account]] = {}

    def of(self, job: Mapping[str, Any]) -> Account | None:
        """The account that the job runs as, None for the worker's own. Raises NoAccount."""
        if not self._run_as:
            return None
        name = str(job.get("user") or "") if self._run_as == EACH_JOBS else self._run_as
        until, account = self._known.get(name, (0.0, None))
        if account is None or time.monotonic() >= until:
            account = self._found(name)
            self._known[name] = (time.monotonic() + _REMEMBER, account)
        return account

    def _found(self, name: str) -> Account:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise NoAccount(
                f"user: the host {socket.gethostname()} has no account '{name}'. Make one there, "
                "submit as a user whom the host knows, or start its worker with --run-as ACCOUNT."
            ) from None
        if entry.pw_uid == 0 and not self._allow_root:
            raise NoAccount(
                "user: jobs do not run as root here. Submit as another user, or give the worker --allow-root."
            )
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def accounts(run_as: str, *, allow_root: bool) -> Accounts:
    """As whom a worker with these options runs its jobs. Raises Stopped when it may or can not."""
    root = os.geteuid() == 0
    if root and not run_as and not allow_root:
        raise Stopped(
            "jobs would run as root. Give --run-as ACCOUNT (one account for all jobs) or --run-as job (each as its "
            "user), start the worker as the user whom the frames shall belong to, or give --allow-root if everybody "
            "who submits jobs may do everything on this host."
        )
    if not run_as:
        return Accounts()
    if not root and (run_as == EACH_JOBS or run_as != pwd.getpwuid(os.geteuid()).pw_name):
        raise Stopped("--run-as: only root can start processes of other users. Start the worker as root.")
    found = Accounts(run_as, allow_root=allow_root)
    try:
        if run_as != EACH_JOBS:
            found.of({})
    except NoAccount as missing:
        raise Stopped(f"--run-as: {missing}") from missing
    return found if root else Accounts()


def _shared_folder() -> str:
    """The worker's own folder for temporary files if all accounts may write there."""
    own = tempfile.gettempdir()
    shared = stat.S_ISVTX | stat.S_IWOTH
    return own if Path(own).stat().st_mode & shared == shared else "/tmp"
