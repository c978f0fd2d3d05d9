"""Requirements: in which a job says what a host must be like; the grammar is in `grammar`.

`parse(text)` reads `host.os == linux and host.memory.avail > 4000`; `Expression.test(facts)` answers it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from qbcore.conditions import All, Condition, Test
from qbcore.grammar import read
from qbcore.values import Facts

_LIVE_ENDINGS = (".avail", ".used")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `Expression.test` found; true or false by itself."""

    ok: bool
    missing: tuple[str, ...]
    """The operands that the facts lack, in the order of the text."""
    why: str
    """The comparison that is false with the host's value; empty when ok."""

    def __bool__(self) -> bool:
        return self.ok


class Expression:
    """A requirement, ready to be asked. Equal to another when they print alike; the empty one is always true."""

    __slots__ = ("_holds", "_text", "names", "root")

    def __init__(self, root: Condition) -> None:
        self.root = root
        self.names: tuple[str, ...] = tuple(dict.fromkeys(root.names()))
        """The operands it reads, each once."""
        self._text = str(root)
        self._holds: Test | None = None

    @property
    def holds(self) -> Test:
        """`holds(facts)`: the bare answer. Who asks a million times keeps this function."""
        if self._holds is None:
            self._holds = self.root.compiled()
        return self._holds

    def test(self, facts: Facts) -> Verdict:
        """The answer with its reason. `facts` maps dotted lower-case names to values; None counts as lacking."""
        ok = self.holds(facts)
        missing = tuple(name for name in self.names if facts.get(name) is None)
        return Verdict(ok, missing, "" if ok else self.root.why(facts))

    @property
    def dynamic(self) -> bool:
        """Whether the answer may change from one moment to the next: it reads .avail, .used, duty or state."""
        return any(map(is_live, self.names))

    @property
    def asks_job(self) -> bool:
        """Whether the answer depends on the job."""
        return any(name.startswith("job.") for name in self.names)

    def parts(self) -> tuple[Expression, Expression]:
        """This requirement in two that must both hold: what only standing facts of the host decide, and the rest."""
        conditions = self.root.parts if isinstance(self.root, All) else (self.root,)
        standing: list[Condition] = []
        rest: list[Condition] = []
        for condition in conditions:
            passing = any(name.startswith("job.") or is_live(name) for name in condition.names())
            (rest if passing else standing).append(condition)
        return Expression(_all(standing)), Expression(_all(rest))

    def warnings(self, known: Collection[str]) -> tuple[str, ...]:
        """A sentence for each host.<x> that is not in `known`; 'host.memory' there covers its .used, .avail, .total."""
        strange = (name for name in self.names if name.startswith("host.") and not _covered(name, known))
        return tuple(f"no host of this farm reports {name}; a comparison with it is false" for name in strange)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Expression({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=4096)
def parse(text: str, *, field: str = "requirements") -> Expression:
    """The requirement that a text says; the same text is compiled once. `field` names the text in an error.

    Raises BadExpression with the position (characters from 0) and a hint what was expected there.
    """
    return Expression(read(text, field))


def is_live(name: str) -> bool:
    """Whether a fact of a host changes while it works: amounts free and in use, what runs there, its state."""
    return name.endswith(_LIVE_ENDINGS) or name.startswith("host.duty.") or name in ("host.duty", "host.state")


def _covered(name: str, known: Collection[str]) -> bool:
    stem, _, ending = name.rpartition(".")
    return name in known or name.startswith("host.duty.") or (ending in ("used", "avail", "total") and stem in known)


def _all(conditions: list[Condition]) -> Condition:
    return conditions[0] if len(conditions) == 1 else All(tuple(conditions))
