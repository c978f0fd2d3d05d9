"""What hosts raise: submit when one joins, running and failed when it is up and down, blocked when it is locked or
banned, modified when it is let again or described anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from qbcore.callbacks.hearing import Event, hear

NOTHING: frozenset[str] = frozenset()
RUNNING, FAILED, BLOCKED = frozenset({"running"}), frozenset({"failed"}), frozenset({"blocked"})
WHAT: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "join": (frozenset({"submit"}), NOTHING),
    "up": (RUNNING, FAILED),
    "down": (FAILED, RUNNING),
    "lock": (BLOCKED, NOTHING),
    "ban": (BLOCKED, NOTHING),
    "unlock": (frozenset({"modified"}), BLOCKED),
    "unban": (frozenset({"modified"}), BLOCKED),
}
"""What happened to a host: what it is said to be now, and what no more."""


def hear_hosts(names: Iterable[str], what: str) -> None:
    """Tells who listens to these hosts; whatever is not in WHAT changed how they are described."""
    raised, left = WHAT.get(what, (frozenset({"modified"}), NOTHING))
    hear([Event("host", 0, raised, left, host=name) for name in names])
