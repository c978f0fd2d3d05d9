"""Clusters: distance, expressions, name lists."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.clusters import Pattern, Restrictions, cluster_distance, parse_restrictions, split_names
from qbcore.errors import BadExpression

segments = st.sampled_from(["a", "b", "c", "a-1"])
paths = st.lists(segments, max_size=4).map(lambda parts: "/" + "/".join(parts))


def test_a_host_takes_its_own_cluster_then_its_ancestors_then_their_other_branches() -> None:
    jobs = ["/d/e", "/d", "/a/c", "/", "/a", "/a/b"]
    ordered = sorted(jobs, key=lambda cluster: cluster_distance("/a/b", cluster))
    assert ordered == ["/a/b", "/a", "/", "/a/c", "/d", "/d/e"]


@pytest.mark.parametrize(
    ("host", "job", "distance"),
    [
        ("/a/b", "/a/b", (0, 0, 0)),
        ("/a/b", "a/b/", (0, 0, 0)),
        ("", "/", (0, 0, 0)),
        ("/a/b", "/", (1, 0, 2)),
        ("/", "/a/b", (1, 2, 0)),
        ("/a/b", "/a/c/d", (1, 2, 1)),
        ("/a/b, /c", "/c", (0, 0, 0)),
        ("/a/b,/c", "/c/d", (1, 1, 0)),
    ],
)
def test_distance_counts_steps_from_the_nearest_common_ancestor(
    host: str, job: str, distance: tuple[int, int, int]
) -> None:
    assert cluster_distance(host, job) == distance


@given(st.lists(paths, min_size=1, max_size=3), paths)
def test_a_host_of_several_clusters_takes_the_best_distance(hosts: list[str], job: str) -> None:
    assert cluster_distance(",".join(hosts), job) == min(cluster_distance(one, job) for one in hosts)


@given(paths, paths)
def test_only_the_same_cluster_is_at_no_distance(host: str, job: str) -> None:
    assert (cluster_distance(host, job)[0] == 0) == (host == job)


@pytest.mark.parametrize(
    ("text", "allowed", "refused"),
    [
        ("", ["/", "/a", "/a/b"], []),
        ("/a", ["/a"], ["/", "/a/b", "/ab"]),
        ("/a/*", ["/a/b"], ["/a", "/a/b/c", "/"]),
        ("/a/+", ["/a", "/a/b", "/a/b/c"], ["/", "/b"]),
        ("/a || /a/*", ["/a", "/a/b"], ["/a/b/c"]),
        ("/a or /b,/c", ["/a", "/b", "/c"], ["/d"]),
        ("/or/a", ["/or/a"], ["/or", "/a"]),
        ("/", ["/"], ["/a"]),
        ("/*", ["/a"], ["/", "/a/b"]),
        ("/+", ["/", "/a", "/a/b"], []),
    ],
)
def test_an_expression_allows_the_clusters_it_names(text: str, allowed: list[str], refused: list[str]) -> None:
    restrictions = parse_restrictions(text)
    assert [one for one in [*allowed, *refused] if restrictions.allows(one)] == allowed


def test_one_allowed_cluster_of_a_host_is_enough() -> None:
    assert parse_restrictions("/a").allows("/b, /a")
    assert not parse_restrictions("/a").allows("/b, /c")


@given(st.lists(st.builds(Pattern, st.lists(segments, max_size=3).map(tuple), st.sampled_from(["", "*", "+"]))))
def test_printing_an_expression_and_reading_it_again_changes_nothing(patterns: list[Pattern]) -> None:
    restrictions = Restrictions(tuple(patterns))
    assert parse_restrictions(str(restrictions)) == restrictions


def naive(pattern: str, cluster: str) -> bool:
    """The same question as a regular expression over texts with a slash at their ends."""
    stem, below = (pattern[:-1], pattern[-1]) if pattern[-1] in "*+" else (pattern, "")
    levels = {"": "", "*": "[^/]+/", "+": "(?:[^/]+/)*"}[below]
    return re.fullmatch(re.escape(stem.rstrip("/") + "/") + levels, cluster.rstrip("/") + "/") is not None


patterns = st.tuples(paths, st.sampled_from(["", "*", "+"])).map(lambda one: f"{one[0].rstrip('/')}/{one[1]}")


@given(st.lists(patterns, min_size=1, max_size=3), st.sampled_from([" || ", "||", ",", " or "]), paths)
def test_an_expression_allows_what_regular_expressions_would(wanted: list[str], sign: str, cluster: str) -> None:
    allowed = parse_restrictions(sign.join(wanted)).allows(cluster)
    assert allowed == any(naive(pattern, cluster) for pattern in wanted)


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("a/b", 0, "'a/b' is no cluster"),
        ("/a || b", 6, "'b' is no cluster"),
        ("/a ||", 5, "a cluster is missing"),
        ("|| /a", 0, "a cluster is missing"),
        ("/a/*/b", 3, "'*' in '/a/*/b'"),
        ("/a /b", 1, "'a ' in '/a /b'"),
        ("/a && /b", 1, "'a && ' in '/a && /b'"),
    ],
)
def test_a_malformed_expression_is_refused_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse_restrictions(text)
    assert (caught.value.position, caught.value.message, caught.value.field) == (position, said, "restrictions")
    assert caught.value.hint.startswith("Expected")


def test_name_lists_lose_their_spaces_and_empty_names() -> None:
    assert split_names(" r1, r2,,r 3 ,") == ("r1", "r2", "r 3")
    assert split_names("") == ()
