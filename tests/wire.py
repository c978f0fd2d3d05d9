"""A worker as the protocol has it, moved by hand, whose requests and answers may be lost, late or sent twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from qbcore import backend, dispatch, hosts, permissions
from qbcore.errors import Conflict

Frame = dict[str, Any]


@dataclass
class Held:
    """A grant on the worker: what runs, what is reserved behind it, what it was told."""

    running: Frame | None = None
    queue: list[Frame] = field(default_factory=list)
    order: str = ""

    @property
    def attempts(self) -> list[int]:
        first = [self.running] if self.running else []
        return [frame["attempt"] for frame in (*first, *self.queue)]


class Wire:
    """One host. `reports` are those not accepted yet, by attempt; `told` all that were ever made."""

    def __init__(self, name: str, slots: int = 2) -> None:
        joined = hosts.join({"name": name, "token": permissions.new_join_token(), "protocol": 1})
        self.id, self.slots, self.seq = joined["host"], slots, 0
        self.session = ""
        self.held: dict[int, Held] = {}
        self.reports: dict[int, dict[str, Any]] = {}
        self.told: dict[int, dict[str, Any]] = {}
        self.unanswered: dict[str, Any] | None = None
        self.hello()

    def hello(self) -> None:
        """It was killed and starts anew: it knows only the reports that were not accepted."""
        before, self.session = self.session, f"{int(self.session or '0', 16) + 1:032x}"
        self.held, self.seq, self.unanswered = {}, 0, None
        waiting: dict[str, list[int]] = {}
        for number, line in self.reports.items():
            waiting.setdefault(str(line["grant"]), []).append(number)
        said = {"session": self.session, "previous": before, "facts": {"slots": self.slots}, "held": waiting}
        hosts.hello(self.id, {"protocol": 1, **said})

    def request(self) -> dict[str, Any]:
        """The next request; one that was not answered is said again, word for word."""
        if self.unanswered is None:
            self.seq += 1
            mine = {line["grant"] for line in self.reports.values()} - self.held.keys()
            gone = [number for number, one in self.held.items() if one.order in ("end", "finish") and not one.attempts]
            held = {number: one for number, one in self.held.items() if number not in gone}
            self.unanswered = {
                "session": self.session, "seq": self.seq, "room": len(held) < self.slots,
                "held": {str(number): one.attempts for number, one in held.items()},
                "running": [one.running["attempt"] for one in held.values() if one.running],
                "reports": list(self.reports.values()),
                "want": [number for number, one in held.items() if not one.attempts and not one.order],
                "gone": [*gone, *sorted(mine)],
            }  # fmt: skip
        return self.unanswered

    def ask(self, *, heard: bool = True) -> None:
        """One round; unless *heard* the farm takes the request in and its answer is lost."""
        body = self.request()
        answer = self.deliver(body)
        if heard:
            self.unanswered = None
            self._take(answer, body)

    def deliver(self, body: dict[str, Any]) -> dict[str, Any]:
        if connection.in_atomic_block:
            dispatch.waiting.reload()  # inside a test's transaction nobody hears of a commit
        return backend.sync(self.id, body)

    def late(self, body: dict[str, Any]) -> bool:
        """An old request arrives again, after others; whether it was refused."""
        try:
            self.deliver(body)
        except Conflict:
            return True
        return False

    def _take(self, answer: dict[str, Any], body: dict[str, Any]) -> None:
        for number in answer["accepted"]:
            self.reports.pop(number, None)
        for number in [*body["gone"], *answer["over"]]:
            self.held.pop(number, None)
        for number, one in self.held.items():
            if str(number) in body["held"]:
                self._obey(number, one, answer["orders"].get(str(number), ""), set(answer["drop"]))
        for start in answer["starts"]:
            self.held[start["grant"]] = Held(queue=list(start["frames"]))
        for number, frames in answer["frames"].items():
            self.held[int(number)].queue += frames

    def _obey(self, number: int, one: Held, order: str, drop: set[int]) -> None:
        one.order = one.order if one.order in ("end", "finish") else order
        one.queue = [] if one.order in ("end", "finish") else [x for x in one.queue if x["attempt"] not in drop]
        if one.running and (one.order == "end" or one.running["attempt"] in drop):
            self._report(number, one, reason="ended", signal=15)

    def start(self) -> None:
        """The processes of the next frames start where none runs."""
        for one in self.held.values():
            if not one.running and one.queue and not one.order:
                one.running = one.queue.pop(0)

    def end(self, code: int) -> None:
        """The process that has run for longest ends by itself; one that is suspended does not."""
        able = [number for number, one in self.held.items() if one.running and one.order != "suspend"]
        if able:
            self._report(able[0], self.held[able[0]], exit=code)

    def _report(self, number: int, one: Held, **how: Any) -> None:
        assert one.running is not None
        line = {"grant": number, "attempt": one.running["attempt"], "pos": one.running["pos"], "elapsed": 1.0, **how}
        self.reports[line["attempt"]] = self.told[line["attempt"]] = line
        one.running = None
