"""What jobs say, said once: the distinct texts of all waiting jobs as small numbers, and what hosts decide on them.

A hundred thousand jobs use a few thousand texts. Each text is judged once for all hosts that show it the same facts;
the answers are the bits of one integer, bit n for text n, so that hosts with equal answers are seen to be alike.
Kinds of text (requirements, places, clusters, ...) are kept apart: their combinations are too many.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeAlias

from qbcore.candidates import Candidate, HostView
from qbcore.conditions import Test
from qbcore.errors import BadExpression
from qbcore.expressions import parse
from qbcore.plan import unreadable
from qbcore.values import Facts, text_of

_MOST_ANSWERS = 20_000  # facts per group for which answers are kept, and news before they are forgotten
_ZERO_AND_ONE = bytes.maketrans(b"01", b"\0\1")

_ALWAYS = parse("")

Rule: TypeAlias = Callable[[HostView, Candidate], str]


def unpack(bits: int, length: int) -> bytearray:
    """Bit n as byte n, at least `length` of them."""
    return bytearray(f"{bits:0{length}b}".encode()[::-1].translate(_ZERO_AND_ONE))


class Words:
    """Distinct texts by number. A number is given up when its last job goes, and then used again."""

    def __init__(self, word_of: Callable[[Candidate], Hashable]) -> None:
        self.word_of = word_of
        self.version = 0
        """Grows whenever a number gets a new meaning."""
        self.samples: list[Candidate | None] = []
        """For each number a job that says it, None where the number is not used."""
        self._numbers: dict[Hashable, int] = {}
        self._holders: list[int] = []
        self._unused: list[int] = []

    def hold(self, candidate: Candidate) -> int:
        """The number of what a job says; one more job says it."""
        word = self.word_of(candidate)
        number = self._numbers.get(word)
        if number is None:
            number = self._numbers[word] = self._new(candidate)
            self.version += 1
            self.learn(number, candidate)
        self._holders[number] += 1
        return number

    def drop(self, number: int) -> None:
        """One job less says it."""
        self._holders[number] -= 1
        sample = self.samples[number]
        if not self._holders[number] and sample is not None:
            del self._numbers[self.word_of(sample)]
            self.forget(number)
            self.samples[number] = None
            self._unused.append(number)

    def learn(self, number: int, candidate: Candidate) -> None:
        """A number got a meaning."""

    def forget(self, number: int) -> None:
        """A number lost its meaning."""

    def _new(self, candidate: Candidate) -> int:
        if self._unused:
            number = self._unused.pop()
            self.samples[number] = candidate
            return number
        self.samples.append(candidate)
        self._holders.append(0)
        return len(self.samples) - 1


class Answers:
    """What was decided on a group of words, for each set of facts that a host may show them."""

    def __init__(self) -> None:
        self.used = 0
        """The bits of the words that are in the group now."""
        self._news: list[int] = []
        self._known: dict[Hashable, tuple[int, int]] = {}  # facts: answers, and how many news they know

    def add(self, number: int) -> None:
        self.used |= 1 << number
        self._news.append(number)
        if len(self._news) > _MOST_ANSWERS:
            self._news = [one for one in range(self.used.bit_length()) if self.used >> one & 1]
            self._known.clear()

    def remove(self, number: int) -> None:
        self.used &= ~(1 << number)

    def bits(self, shown: Hashable, judge: Callable[[int], bool]) -> int:
        """The answers for the facts `shown`; only words that are new since the last time are judged."""
        bits, seen = self._known.get(shown, (0, 0))
        if seen < len(self._news):
            for number in self._news[seen:]:
                bit = 1 << number
                bits = bits | bit if self.used & bit and judge(number) else bits & ~bit
            if len(self._known) > _MOST_ANSWERS:
                self._known.clear()
            self._known[shown] = (bits, len(self._news))
        return bits & self.used


class Judged(Words):
    """Words on which one rule of `plan` decides, from a few standing facts of the host."""

    def __init__(
        self, word_of: Callable[[Candidate], Hashable], shown: Callable[[HostView], Hashable], *rules: Rule
    ) -> None:
        super().__init__(word_of)
        self.shown = shown
        self.rules = rules
        self._answers = Answers()

    def learn(self, number: int, candidate: Candidate) -> None:
        self._answers.add(number)

    def forget(self, number: int) -> None:
        self._answers.remove(number)

    def bits(self, host: HostView) -> int:
        """The words that nothing is against on this host."""

        def judge(number: int) -> bool:
            sample = self.samples[number]
            return sample is not None and not any(unreadable(partial(rule, host, sample)) for rule in self.rules)

        return self._answers.bits(self.shown(host), judge)


class Requirements(Words):
    """Requirement texts, each in two parts: what standing facts decide once, and what must be asked at each pick."""

    def __init__(self) -> None:
        super().__init__(lambda candidate: candidate.requirements)
        self.passing: dict[int, tuple[Test, bool]] = {}
        """The part to ask at each pick where there is one, and whether it asks the job too."""
        self._standing: dict[int, tuple[tuple[str, ...], Test]] = {}  # the names that it reads, and how to ask it
        self._groups: dict[tuple[str, ...], Answers] = {}  # by the facts that its texts read

    def learn(self, number: int, candidate: Candidate) -> None:
        try:
            standing, passing = parse(candidate.requirements).parts()
        except BadExpression:
            return  # in no group, so no host ever takes it; explain says what is wrong
        self._standing[number] = (standing.names, standing.holds)
        self._groups.setdefault(standing.names, Answers()).add(number)
        if passing != _ALWAYS:
            self.passing[number] = (passing.holds, passing.asks_job)

    def forget(self, number: int) -> None:
        self.passing.pop(number, None)
        names, _ = self._standing.pop(number, (None, None))
        if names is not None:
            self._groups[names].remove(number)
            if not self._groups[names].used:
                del self._groups[names]

    def bits(self, facts: Facts) -> int:
        """The texts whose standing part holds for a host with these standing facts."""

        def judge(number: int) -> bool:
            return self._standing[number][1](facts)

        found = 0
        for names, answers in self._groups.items():
            found |= answers.bits(tuple(_shown(facts.get(name)) for name in names), judge)
        return found


def _shown(value: Any) -> Hashable:
    """A fact as a key: equal only where no comparison can tell the two apart (True equals 1, ('7',) reads as '7')."""
    plain = value is None or value.__class__ in (str, int, float)
    return value if plain else (text_of(value),)
