"""Dependencies and triggers: what is read, what fires, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.errors import BadExpression
from qbcore.triggers import (
    KINDS,
    NAMES,
    STATES,
    Group,
    Link,
    Term,
    Trigger,
    parse_dependency,
    parse_trigger,
    print_dependency,
)

# -- dependencies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("", []),
        ("250", [Link(target="250")]),
        ("250, 251", [Link(target="250"), Link(target="251")]),
        ("link-complete-job-250", [Link(True, "complete", "job", "250")]),
        ("done-work-render", [Link(False, "done", "work", "render")]),
        ("failed-job-my-own-label", [Link(False, "failed", "job", "my-own-label")]),
        ("killed-work-my-own-label", [Link(False, "killed", "work", "my-own-label")]),
        ("complete-work-250:7", [Link(False, "complete", "work", "250", "7")]),
        ("complete-work-250-5-9", [Link(False, "complete", "work", "250", "5-9")]),
        ("complete-work-render:a b", [Link(False, "complete", "work", "render", "a b")]),
        ("LINK-Complete-SUBJOB-250.3", [Link(True, "complete", "subjob", "250", "3")]),
    ],
)
def test_a_dependency_is_read_link_by_link(text: str, links: list[Link]) -> None:
    assert parse_dependency(text) == tuple(links)


def test_a_link_tells_an_id_from_a_label() -> None:
    assert parse_dependency("250,complete-job-render")[0].id == 250
    assert parse_dependency("250,complete-job-render")[1].id is None


names = st.sampled_from(["250", "7", "render", "my-label", "shot 10", "a.b"])
links = st.builds(
    Link,
    st.booleans(),
    st.sampled_from(STATES),
    st.sampled_from(KINDS),
    names,
    st.sampled_from(["", "7", "5-9", "a:b"]),
).filter(lambda link: link.kind != "job" or not link.extra)


@given(st.lists(links))
def test_printing_a_dependency_and_reading_it_again_changes_nothing(wanted: list[Link]) -> None:
    assert parse_dependency(print_dependency(wanted)) == tuple(wanted)


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("render", 0, "'render' is nothing to wait for"),
        ("250, render", 5, "'render' is nothing to wait for"),
        ("250,,251", 4, "a job to wait for is missing"),
        ("250,", 4, "a job to wait for is missing"),
        ("complete-250", 0, "'complete-250' is nothing to wait for"),
        ("running-job-250", 0, "'running-job-250' is nothing to wait for"),
        ("link-link-complete-job-1", 0, "'link-link-complete-job-1' is nothing to wait for"),
        ("complete-job-", 13, "'complete-job-' names no job"),
    ],
)
def test_a_malformed_link_is_refused_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse_dependency(text)
    assert (caught.value.position, caught.value.message, caught.value.field) == (position, said, "dependency")
    assert caught.value.hint.startswith("Expected")


# -- triggers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("complete-job-self", Term("complete", "job", "self")),
        (" Done-Job-parent ", Term("done", "job", "parent")),
        ("failed-job-my-own-label", Term("failed", "job", "my-own-label")),
        ("complete-work-self", Term("complete", "work", "self", "*")),
        ("complete-work-render-5", Term("complete", "work", "render", "5")),
        ("complete-work-250-sh 010: a-b", Term("complete", "work", "250", "sh 010: a-b")),
        ("complete-work-self-rock and roll", Term("complete", "work", "self", "rock and roll")),
        ("complete-work-self-take(2)", Term("complete", "work", "self", "take(2)")),
        ("failed-subjob-self-5", Term("failed", "subjob", "self", "5")),
        ("assigned-host-self-render-01", Term("assigned", "host", "self", "render-01")),
        ("dummy-time-self-1700000000", Term("dummy", "time", "self", "1700000000")),
        ("dummy-repeat-self-1700000000-60", Term("dummy", "repeat", "self", "1700000000-60")),
    ],
)
def test_one_event_is_read(text: str, term: Term) -> None:
    assert parse_trigger(text) == Trigger(term)


def test_a_label_with_hyphens_is_known_by_the_labels_of_its_group() -> None:
    text = "complete-work-sq-010-5"
    assert parse_trigger(text).terms == (Term("complete", "work", "sq", "010-5"),)
    assert parse_trigger(text, ["sq-010", "sq-010-extra"]).terms == (Term("complete", "work", "sq-010", "5"),)
    assert parse_trigger("complete-work-sq-010", ["sq-010"]).terms == (Term("complete", "work", "sq-010", "*"),)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("done-job-a && done-job-b || done-job-c", "(done-job-a && done-job-b) || done-job-c"),
        ("done-job-a&&(done-job-b||done-job-c)", "done-job-a && (done-job-b || done-job-c)"),
        ("done-job-a and done-job-b OR done-job-c", "(done-job-a && done-job-b) || done-job-c"),
        ("((done-job-a))", "done-job-a"),
        ("done-job-a && (done-job-b && done-job-c)", "done-job-a && done-job-b && done-job-c"),
        ("(done-work-self-x) or (done-work-self-y)", "done-work-self-x || done-work-self-y"),
        ("(done-job-a)and(done-job-b)", "done-job-a && done-job-b"),
        ("done-work-self-a and (done-job-b)", "done-work-self-a && done-job-b"),
    ],
)
def test_signs_join_and_before_or(text: str, canonical: str) -> None:
    assert str(parse_trigger(text)) == canonical


def test_a_list_means_any_of() -> None:
    trigger = parse_trigger(["done-job-a && done-job-b", "failed-job-c"])
    assert trigger == parse_trigger("(done-job-a && done-job-b) || failed-job-c")
    assert [str(term) for term in trigger.terms] == ["done-job-a", "done-job-b", "failed-job-c"]


def test_a_term_is_listed_once() -> None:
    assert len(parse_trigger("done-job-a && done-job-b || done-job-a").terms) == 2


plain = st.builds(Term, st.sampled_from(NAMES), st.just("job"), st.sampled_from(["self", "parent", "250", "my-label"]))
items = st.builds(
    Term,
    st.sampled_from(NAMES),
    st.sampled_from(["work", "subjob", "host"]),
    st.sampled_from(["self", "250", "render"]),
    st.sampled_from(["*", "5", "a-b", "sh 010", "x:y", "this and that", "(or)", "take (2)"]),
)
timed = st.builds(Term, st.just("dummy"), st.sampled_from(["time", "repeat"]), st.just("self"), st.just("100-60"))


def grouped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)).map(flat)


def flat(pair: tuple[str, list[Any]]) -> Group:
    join, parts = pair
    inner = [part.parts if isinstance(part, Group) and part.join == join else (part,) for part in parts]
    return Group(join, tuple(part for group in inner for part in group))


events = st.recursive(plain | items | timed, grouped, max_leaves=8)


@given(events)
def test_printing_a_trigger_and_reading_it_again_changes_nothing(event: Any) -> None:
    assert parse_trigger(str(Trigger(event))) == Trigger(event)


def naive(event: Any, held: set[Term]) -> bool:
    if isinstance(event, Term):
        return event in held
    answers = [naive(part, held) for part in event.parts]
    return False not in answers if event.join == "and" else True in answers


@given(events, st.data())
def test_it_fires_as_its_terms_are_joined(event: Any, data: st.DataObject) -> None:
    trigger = Trigger(event)
    held = set(data.draw(st.lists(st.sampled_from(trigger.terms))))
    assert trigger.fires(held.__contains__) == naive(event, held)


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 0, "an event is missing"),
        ("complete", 0, "'complete' is no event"),
        ("finished-job-self", 0, "'finished-job-self' is no event"),
        ("done-job-a && finished-job-b", 14, "'finished-job-b' is no event"),
        ("done-job-a && ", 14, "an event is missing"),
        ("done-frame-self-1", 0, "'done-frame-self-1' is no event"),
        ("done-job-", 9, "'done-job-' has no context"),
        ("done-work--5", 10, "'done-work-' has no context"),
        ("dummy-time-self", 15, "'dummy-time-self' has no time"),
        ("(done-job-a", 0, "this parenthesis is never closed"),
        ("done-job-a)", 10, "this parenthesis was never opened"),
        ("done-work-self-x(1", 16, "this parenthesis is never closed"),
        ("(done-job-a) done-job-b", 13, "a sign is missing after the parenthesis"),
        ("(" * 60 + "done-job-a" + ")" * 60, 50, "nested deeper than 50"),
    ],
)
def test_a_malformed_trigger_is_refused_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(BadExpression) as caught:
        parse_trigger(text)
    assert (caught.value.position, caught.value.message, caught.value.field) == (position, said, "triggers")
    assert caught.value.hint


def test_no_trigger_at_all_is_refused() -> None:
    with pytest.raises(BadExpression, match="no trigger"):
        parse_trigger([])


@given(st.text(alphabet="done-jobwrk self()&|*1:", max_size=40))
def test_any_text_is_read_or_refused_at_a_place_inside_it(text: str) -> None:
    for parse in (parse_dependency, parse_trigger):
        try:
            parse(text)
        except BadExpression as error:
            assert 0 <= error.position <= len(text)
