"""A worker that is moved by hand: it says what a real one would, and reports what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection

from qbcore import backend, dispatch, folding, hosts, permissions, submission, verbs
from qbcore.states import PLACED, Status

Frame = dict[str, Any]


class Hand:
    """One host with some slots. `held` is what it was given: grant -> attempts."""

    def __init__(self, name: str = "render-01", slots: int = 2) -> None:
        joined = hosts.join({"name": name, "token": permissions.new_join_token(), "protocol": 1})
        self.id, self.seq, self.session = joined["host"], 0, "a" * 32
        self.held: dict[int, list[int]] = {}
        self.frames: list[tuple[int, Frame]] = []
        facts = {"os": "Linux", "slots": slots}
        hosts.hello(self.id, {"protocol": 1, "session": self.session, "facts": facts, "held": {}})

    def sync(self, **said: Any) -> dict[str, Any]:
        """One request of the protocol; what it brings is kept in `held` and `frames`."""
        if connection.in_atomic_block:
            dispatch.waiting.reload()  # inside a test's transaction nobody hears of a commit
        self.seq += 1
        held = {str(grant): attempts for grant, attempts in self.held.items()}
        answer = backend.sync(self.id, {"session": self.session, "seq": self.seq, "held": held, **said})
        for start in answer["starts"]:
            self.held[start["grant"]] = []
        for grant, frame in self._given(answer):
            self.held[grant].append(frame["attempt"])
            self.frames.append((grant, frame))
        for grant in answer["over"]:
            self.held.pop(grant, None)
        return answer

    def _given(self, answer: dict[str, Any]) -> Iterator[tuple[int, Frame]]:
        for start in answer["starts"]:
            yield from ((start["grant"], frame) for frame in start["frames"])
        for grant, frames in answer["frames"].items():
            yield from ((int(grant), frame) for frame in frames)

    def begin(self) -> None:
        """Asks for work and starts the first frame of each grant."""
        self.sync(room=True)
        self.sync(running=[attempts[0] for attempts in self.held.values() if attempts])

    def report(self, code: int = 0, message: str = "") -> Frame:
        """Ends the oldest frame in hand with that exit code and wants the next."""
        grant, frame = self.frames.pop(0)
        line = self.ended(grant, frame, exit=code, message=message)
        self.sync(reports=[line], want=[grant] if not self.held[grant] else [])
        return frame

    def ended(self, grant: int, frame: Frame, **how: Any) -> dict[str, Any]:
        """The report of an attempt that has ended; it is not held any more."""
        self.held[grant].remove(frame["attempt"])
        return {"attempt": frame["attempt"], "grant": grant, "pos": frame["pos"], "exit": 0, "elapsed": 1.0, **how}

    def end_all(self) -> None:
        """Says that none of its processes is left."""
        gone, self.held, self.frames = list(self.held), {}, []
        self.sync(gone=gone)


class Obedient(Hand):
    """A worker that does what the answers say: ends and forgets what it shall, and renders nothing while suspended."""

    def __init__(self, name: str = "render-01", slots: int = 2) -> None:
        super().__init__(name, slots)
        self.gone: list[int] = []
        self.suspended: set[int] = set()

    def sync(self, **said: Any) -> dict[str, Any]:
        gone, self.gone = self.gone, []
        idle = [grant for grant, attempts in self.held.items() if not attempts]
        answer = super().sync(**{"gone": gone, "want": idle, **said})
        self._forget(set(answer["drop"]))
        self.suspended = {int(grant) for grant, order in answer["orders"].items() if order == "suspend"}
        for grant, order in answer["orders"].items():
            self._obey(int(grant), order)
        return answer

    def _obey(self, grant: int, order: str) -> None:
        attempts = self.held.get(grant, [])
        if order == "finish":
            self._forget(set(attempts[1:]))
        if order == "end" or (order == "finish" and not attempts):
            self._forget(set(attempts))
            self.held.pop(grant, None)
            self.gone.append(grant)

    def _forget(self, attempts: set[int]) -> None:
        self.frames = [(grant, frame) for grant, frame in self.frames if frame["attempt"] not in attempts]
        for grant, held in self.held.items():
            self.held[grant] = [one for one in held if one not in attempts]

    def end_one(self, code: int) -> None:
        """Reports the oldest frame that is not suspended, if there is one."""
        ready = [(grant, frame) for grant, frame in self.frames if grant not in self.suspended]
        if not ready:
            self.sync()
            return
        self.frames.remove(ready[0])
        self.sync(reports=[self.ended(*ready[0], exit=code)])

    def die(self) -> None:
        """It is killed, and its successor holds nothing."""
        self.held, self.frames, self.gone, self.suspended = {}, [], [], set()
        before, self.session, self.seq = self.session, f"{int(self.session, 16) + 1:032x}", 0
        said = {"protocol": 1, "session": self.session, "previous": before, "facts": {"slots": 2}, "held": {}}
        hosts.hello(self.id, said)


def drive(hand: Hand, exits: Callable[[Frame], int] = lambda frame: 0, rounds: int = 500) -> list[str]:
    """Runs whatever the farm gives until it has nothing left; answers the frames' names in the order they were done."""
    done: list[str] = []
    hand.sync(room=True)
    for _ in range(rounds):
        batch, hand.frames = hand.frames, []
        reports = [hand.ended(grant, frame, exit=exits(frame)) for grant, frame in batch]
        done += [frame["name"] for _, frame in batch]
        if not (reports or hand.held or folding.sweep()):
            return done
        hand.sync(reports=reports, want=[grant for grant, held in hand.held.items() if not held], room=True)
    raise AssertionError(f"still not over after {rounds} rounds: {hand.held}")


def job_in(status: Status, **columns: Any) -> int:
    """The id of a job of four frames and two subjobs that a farm with one slot brought into that status."""
    wanted = {"retrywork": 1, "retrywork_delay": 100} if status == Status.WAITING else {}
    job = submission.submit({**FOUR_FRAMES, **wanted, **columns})["id"]
    if status == Status.BLOCKED:
        verbs.block(job)
    elif status == Status.KILLED:
        verbs.kill(job)
    elif status != Status.PENDING:
        _bring(job, status)
    return int(job)


def _bring(job: int, status: Status) -> None:
    hand = Hand(f"host-of-{job}", slots=1)
    if status in PLACED:
        hand.begin()
        if status == Status.SUSPENDED:
            verbs.suspend(job)
        folding.sweep()
    else:
        drive(hand, exits=lambda frame: 0 if status == Status.COMPLETE else 1)


FOUR_FRAMES = {"prototype": "cmdrange", "cpus": 2, "package": {"cmdline": "echo QB_FRAME_NUMBER", "range": "1-4"}}
