"""Functions called on the farm, in the manner of concurrent.futures: needs the job type `pyfunc` beside this file.

    with Executor(cpus=4) as farm:
        print(list(farm.map(math.sqrt, range(10))))

Calls that come close together go out as one job. A function must be importable on the hosts (see `path`); it, its
arguments and its result are pickled, so read results only of jobs that you trust.
"""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import pickle
import threading
from collections.abc import Callable, Iterable
from typing import Any

import qb

Call = concurrent.futures.Future[Any]
OVER = ("complete", "failed", "killed")


def packed(value: Any) -> str:
    return base64.b64encode(pickle.dumps(value)).decode("ascii")


def unpacked(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))


class Executor(concurrent.futures.Executor):
    """Each call is a work item of a job. `cpus`: how many run at once; `poll`: seconds between two looks at the farm;
    `path`: folders for the functions' modules; `fields`: further fields of the jobs (requirements, priority, …).
    """

    def __init__(self, cpus: int = 4, *, poll: float = 0.5, path: Iterable[str] = (), **fields: Any) -> None:
        env = {**fields.pop("env", {}), "PYTHONPATH": ":".join(path)}
        self._job = {"name": "calls", **fields, "prototype": "pyfunc", "cpus": cpus, "env": env}
        self._poll = poll
        self._changed = threading.Condition()
        self._calls: list[tuple[Call, str]] = []
        self._unsent: list[tuple[Call, str]] = []
        self._jobs: dict[int, list[Call]] = {}
        self._down = self._killing = False
        self._thread = threading.Thread(target=self._run, name="farm", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Call:
        """The call's future. It can be cancelled until it has gone out, a moment later."""
        future: Call = concurrent.futures.Future()
        call = packed((fn, args, kwargs))
        with self._changed:
            if self._down:
                raise RuntimeError("this executor is shut down and takes no more calls")
            self._calls.append((future, call))
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """No more calls; with `cancel_futures` those that have not gone out are cancelled, the others killed."""
        with self._changed:
            self._down = True
            self._killing = cancel_futures
            for future, _ in self._calls if cancel_futures else ():
                future.cancel()
            self._changed.notify()
        if wait:
            self._thread.join()

    def _run(self) -> None:
        """The thread that speaks to the farm, until all is said."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._unsent or self._jobs or self._down)
                if not (self._calls or self._unsent or self._jobs):
                    return
                self._changed.wait(self._poll)  # calls that come meanwhile go out together
                calls, self._calls = self._calls, []
            self._unsent += [(future, call) for future, call in calls if future.set_running_or_notify_cancel()]
            with contextlib.suppress(qb.Unreachable):  # away for a moment: what the farm has goes on
                self._send()
                self._look()

    def _send(self) -> None:
        """One job for all calls that have not gone out yet; a farm that refuses them tells each why."""
        if not self._unsent:
            return
        agenda = [{"name": str(number), "package": {"call": call}} for number, (_, call) in enumerate(self._unsent)]
        futures = [future for future, _ in self._unsent]
        try:
            job = qb.submit({**self._job, "agenda": agenda})[0]
            self._jobs[job["id"]] = futures
        except qb.Unreachable:
            raise
        except qb.QubeError as error:
            fail(futures, error)
        self._unsent = []

    def _look(self) -> None:
        """Sets what has come of the calls since the last look."""
        if self._killing:
            qb.kill(list(self._jobs))
        found = {job["id"]: job for job in qb.jobinfo(id=list(self._jobs), agenda=True)} if self._jobs else {}
        for number, futures in list(self._jobs.items()):
            job = found.get(number)
            if job is None:
                fail(futures, RuntimeError(f"job {number} was removed"))
            else:
                for future, work in zip(futures, job["agenda"], strict=True):
                    if work["status"] in OVER and not future.done():
                        settle(future, work, job)
            if all(future.done() for future in futures):
                del self._jobs[number]


def fail(futures: Iterable[Call], error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)


def settle(future: Call, work: qb.Work, job: qb.Job) -> None:
    """A finished item's result or exception."""
    told = work["resultpackage"]
    try:
        came = unpacked(told["value"] if work["status"] == "complete" else told["error"]) if told else None
    except Exception as error:  # of a class that is not to be had here
        future.set_exception(error)
        return
    if work["status"] == "complete":
        future.set_result(came)
    elif came is not None:
        future.set_exception(came)
    else:
        reason = job["reason"] or "its log says why"
        future.set_exception(RuntimeError(f"call {work['name']} of job {job['id']} {work['status']}: {reason}"))
