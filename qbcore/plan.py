"""Who runs next, and why not: the one set of rules behind dispatch, joborder, hostorder, why-not and what-if.

Pure: it is told what waits and what a host has, and answers; `order` is the plain reference, `pool.Pool` the fast way
to the same answer. A host takes what is nearest to its cluster first, then by priority, localorder and id. `shared`
is what is free of the farm's own resources, by name: {'license.maya': 3, 'global.x': 1}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from qbcore.candidates import NOTHING, Amounts, Candidate, HostView, Meeting
from qbcore.clusters import cluster_distance, parse_restrictions, split_names
from qbcore.errors import BadExpression
from qbcore.expressions import parse
from qbcore.hostorder import parse_hostorder
from qbcore.reservations import fit, per_subjob

__all__ = [
    "Candidate", "Check", "Choice", "HostView", "Reason", "dispatch_key", "explain", "host_order", "may_start", "order",
    "pick", "preferred", "room", "take",
]  # fmt: skip

_SHOWN = 5  # names of a long list that a sentence shows


@dataclass(frozen=True, slots=True)
class Check:
    """One of the rules, applied."""

    name: str
    against: str
    """A sentence why not; empty when there is nothing against it."""

    @property
    def ok(self) -> bool:
        return not self.against


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a host may start a subjob of a job now, or why not."""

    checks: tuple[Check, ...]
    """Every rule in the order of dispatch, the later ones applied too."""

    @property
    def stop(self) -> Check | None:
        """The first rule that is against it."""
        return next((check for check in self.checks if not check.ok), None)

    @property
    def ok(self) -> bool:
        return self.stop is None

    @property
    def sentence(self) -> str:
        """The first thing against it, in plain words; empty when there is nothing."""
        return self.stop.against if self.stop else ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a host should start next."""

    job: int
    take: dict[str, float]
    """What to reserve for it, by resource: {'host.processors': 2, 'license.maya': 1}."""


# -- the rules: each gives a sentence why not, or empty text ---------------------------------------------------------


def against_host(host: HostView) -> str:
    """What keeps a host from taking anything at all."""
    if host.state != "active":
        return f"{host.name} is {host.state}"
    if host.banned:
        return f"{host.name} is banned"
    return f"{host.name} is {host.lock or 'locked'}" if host.locked else ""


def against_work(host: HostView, candidate: Candidate) -> str:
    return "" if candidate.wanted > 0 else f"job {candidate.id} has no subjob to start"


def against_type(host: HostView, candidate: Candidate) -> str:
    if host.jobtypes is None or candidate.prototype in host.jobtypes:
        return ""
    return f"needs job type {candidate.prototype}, {host.name} has {_listed(host.jobtypes)}"


def against_place(host: HostView, candidate: Candidate) -> str:
    """The job's lists of hosts and groups, wanted and omitted; each that is given must agree."""
    hosts, groups = split_names(candidate.hosts), split_names(candidate.groups)
    if hosts and host.name not in hosts:
        return f"runs only on {_listed(hosts)}"
    if host.name in split_names(candidate.omithosts):
        return f"omits {host.name}"
    if groups and not set(groups) & set(host.groups):
        return f"runs only in groups {_listed(groups)}, {host.name} is in {_listed(host.groups)}"
    omitted = sorted(set(split_names(candidate.omitgroups)) & set(host.groups))
    return f"omits group {omitted[0]}, which {host.name} is in" if omitted else ""


def against_restrictions(host: HostView, candidate: Candidate) -> str:
    """The job's cluster expression, which the host must satisfy."""
    wanted = parse_restrictions(candidate.restrictions)
    if wanted.allows(host.cluster):
        return ""
    return f"runs only in clusters {wanted}, {host.name} is in {host.cluster or '/'}"


def against_cluster(host: HostView, candidate: Candidate) -> str:
    """The host's cluster expression, which the job must satisfy."""
    taken = parse_restrictions(host.restrictions, field="restrictions of the host")
    if taken.allows(candidate.cluster):
        return ""
    return f"{host.name} takes only jobs of {taken}, job {candidate.id} is in {candidate.cluster or '/'}"


def against_past(host: HostView, candidate: Candidate) -> str:
    return f"{host.name} is not given job {candidate.id} again" if candidate.id in host.avoid else ""


def against_requirements(host: HostView, candidate: Candidate) -> str:
    return parse(candidate.requirements).test(Meeting(host.facts(), candidate)).why


def room(host: HostView, shared: Amounts = NOTHING) -> tuple[dict[str, float], dict[str, float]]:
    """What is free for a subjob on the host, and what the host has in all, both by resource."""
    total = {f"host.{name}": amount for name, amount in host.totals.items()}
    return {**host.free(), **shared}, total


def take(host: HostView, candidate: Candidate, shared: Amounts = NOTHING) -> dict[str, float] | str:
    """What a subjob would take on the host, or a sentence why it does not fit. Raises BadExpression."""
    return fit(per_subjob(candidate.reservations), *room(host, shared), host.idle, host=host.name)


def unreadable(rule: Callable[[], str]) -> str:
    """What a rule says; a text that cannot be read is against the job, and says so, instead of stopping the farm."""
    try:
        return rule()
    except BadExpression as error:
        return f"cannot be read: {error}"


_RULES: tuple[tuple[str, Callable[[HostView, Candidate], str]], ...] = (
    ("host", lambda host, candidate: against_host(host)),
    ("work", against_work),
    ("type", against_type),
    ("place", against_place),
    ("restrictions", against_restrictions),
    ("cluster", against_cluster),
    ("past", against_past),
    ("requirements", against_requirements),
)


def _verdicts(host: HostView, candidate: Candidate, shared: Amounts) -> Iterator[Check]:
    for name, rule in _RULES:
        yield Check(name, unreadable(partial(rule, host, candidate)))
    yield Check("reservations", unreadable(lambda: _why_not(take(host, candidate, shared))))


def _why_not(taken: dict[str, float] | str) -> str:
    return taken if isinstance(taken, str) else ""


# -- the answers -----------------------------------------------------------------------------------------------------


def explain(host: HostView, candidate: Candidate, shared: Amounts = NOTHING) -> Reason:
    """Every rule applied to one host and one job."""
    return Reason(tuple(_verdicts(host, candidate, shared)))


def may_start(host: HostView, candidate: Candidate, shared: Amounts = NOTHING) -> bool:
    """Whether nothing is against it; stops at the first rule that is."""
    return all(check.ok for check in _verdicts(host, candidate, shared))


def dispatch_key(host: HostView, candidate: Candidate) -> tuple[int, ...]:
    """Where a job stands in a host's order; smaller goes first."""
    return (*cluster_distance(host.cluster, candidate.cluster), *candidate.rank)


def order(host: HostView, candidates: Iterable[Candidate], shared: Amounts = NOTHING) -> list[Candidate]:
    """What the host may start now, the next one first."""
    startable = [candidate for candidate in candidates if may_start(host, candidate, shared)]
    return sorted(startable, key=lambda candidate: dispatch_key(host, candidate))


def pick(host: HostView, candidates: Iterable[Candidate], shared: Amounts = NOTHING) -> Choice | None:
    """What the host should start next, or None."""
    for candidate in order(host, candidates, shared)[:1]:
        taken = take(host, candidate, shared)
        return None if isinstance(taken, str) else Choice(candidate.id, taken)
    return None


def host_order(candidate: Candidate, hosts: Iterable[HostView], shared: Amounts = NOTHING) -> list[HostView]:
    """The hosts that may start a subjob of the job now, in the order it would take them.

    Its hostorder decides, then the nearness of their clusters, then their names. Raises BadExpression.
    """
    key = _wishes(candidate)
    return sorted((host for host in hosts if may_start(host, candidate, shared)), key=key)


def preferred(
    candidate: Candidate, host: HostView, others: Iterable[HostView], shared: Amounts = NOTHING
) -> HostView | None:
    """Of the others the first one before this host in the job's order of hosts that may start it now, or None.

    The same as `host_order` would say, but only those before it are looked at. Raises BadExpression.
    """
    key = _wishes(candidate)
    own = key(host)
    before = [(where, one) for one in others if (where := key(one)) < own]
    ordered = sorted(before, key=lambda pair: pair[0])
    return next((one for _, one in ordered if may_start(one, candidate, shared)), None)


def _wishes(candidate: Candidate) -> Callable[[HostView], tuple[Any, ...]]:
    """What sorts hosts for the job: its hostorder, then the nearness of their clusters, then their names."""
    preferences = parse_hostorder(candidate.hostorder)

    def key(host: HostView) -> tuple[Any, ...]:
        facts = host.facts() if preferences else NOTHING
        wishes = tuple(preference.key(facts) for preference in preferences)
        return (wishes, cluster_distance(host.cluster, candidate.cluster), host.name)

    return key


def _listed(names: Iterable[str]) -> str:
    """'a, b, c': a long list cut, an empty one called none."""
    every = list(names)
    rest = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + rest if every else "none"
