"""Archives: any job comes back as it was, and hostile files are refused with a sentence."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbcore import archive
from qbcore.archive import MAGIC, archivejob, dumps, loads, read, recover, recoverjob, write
from qbcore.constants import QB_API_BINARY, QB_API_XML
from qbcore.errors import Invalid, error
from qbcore.objects import Callback, Job, QBObject, Subjob, Work

FORMS = [QB_API_XML, QB_API_BINARY]
each_form = pytest.mark.parametrize("form", FORMS, ids=["xml", "binary"])

texts = st.text(st.characters(exclude_categories=[]), max_size=30)  # with control characters and lone surrogates
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)
jobs = st.dictionaries(
    texts | st.sampled_from(["name", "agenda", "subjobs", "callbacks", "package"]), values, max_size=6
).map(Job)


def exact(value: object) -> object:
    """A value with the type of every part of it: 1, True and 1.0 differ, and so do 0.0 and -0.0."""
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}, isinstance(value, QBObject) and type(value)
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return type(value), repr(value)


def example() -> Job:
    return Job(
        name="shot_010", prototype="cmdrange", priority=9999,
        package={"cmdline": "render \\\\nas\\user QB_FRAME_NUMBER"},
        agenda=[Work(name=str(frame), status="complete", resultpackage=None) for frame in range(3)],
        subjobs=[Subjob(id=0, pid=250)], callbacks=[Callback(triggers=["complete-job-self"], language="mail")],
    )  # fmt: skip


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def xml(inner: str) -> bytes:
    return f'<qbjob version="1">{inner}</qbjob>'.encode()


@given(jobs, st.sampled_from(FORMS))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_job_comes_back_exactly_as_it_was(job: Job, form: int) -> None:
    back = loads(dumps(job, form))
    assert type(back) is Job
    assert exact(back) == exact(job)


@given(texts, texts)
def test_any_text_and_any_key_come_back(key: str, text: str) -> None:
    assert loads(dumps({key: text})) == {key: text}


@pytest.mark.parametrize(
    "text", ["\\u0041", "\\\\u0041", "\\\x00", "a\r\n\tb", " ", "\ud83d\ude00", "😀", "]]>", "\ufeff"]
)
def test_texts_that_xml_would_change_come_back(text: str) -> None:
    assert loads(dumps({text: text})) == {text: text}


def test_numbers_that_json_lacks_come_back() -> None:
    back = loads(dumps({"a": float("inf"), "b": float("-inf"), "c": float("nan"), "d": 10**4299, "e": -0.0}))
    assert repr(back.c) == "nan"
    assert (back.a, back.b, back.d, repr(back.e)) == (float("inf"), float("-inf"), 10**4299, "-0.0")


@each_form
def test_items_come_back_as_objects(form: int) -> None:
    back = loads(dumps(example(), form))
    assert back == example()
    assert [type(item) for item in (back.agenda[0], back.subjobs[0], back.callbacks[0])] == [Work, Subjob, Callback]


@each_form
def test_the_same_job_gives_the_same_bytes_whatever_the_order_of_its_keys(form: int) -> None:
    turned = Job(dict(reversed(example().items())))
    assert dumps(example(), form) == dumps(example(), form) == dumps(turned, form)


def test_windows_paths_stay_readable() -> None:
    assert b"render \\\\nas\\u005cuser QB_FRAME_NUMBER" in dumps(example())
    assert b"C:\\project\\shot" in dumps({"cwd": "C:\\project\\shot"})


def test_the_documented_example_is_a_job() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "archive-format.md"
    shown = page.read_text(encoding="utf-8").split("```xml\n")[1].split("```")[0]
    assert dumps(loads(shown.encode())).decode() == shown


@pytest.mark.parametrize(
    ("job", "field", "what"),
    [
        ({"package": {"layers": [1, {2, 3}]}}, "package.layers[1]", "a set"),
        ({"a": b"x"}, "a", "a bytes"),
        ({"a": {1: 2}}, "a", "the key 1"),
        ({"a": 10**4300}, "a", "over 4300 digits"),
        ({"a": {"k" * 70_000: 1}}, "a", "the key"),
        ([Job()], "job", "a list"),
        (None, "job", "a NoneType"),
    ],
)
def test_what_no_archive_can_hold_is_refused_by_name(job: Any, field: str, what: str) -> None:
    with pytest.raises(Invalid) as refused:
        dumps(job)
    assert refused.value.field == field
    assert what in refused.value.message


def nested(levels: int) -> dict[str, Any]:
    job: dict[str, Any] = {}
    for _ in range(levels - 1):
        job = {"a": job}
    return job


def test_depth_ends_at_the_same_level_for_writing_and_reading() -> None:
    assert loads(dumps(nested(64))) == nested(64)
    with pytest.raises(Invalid, match="deeper than 64"):
        dumps(nested(65))
    with pytest.raises(Invalid, match="deeper than 64"):
        loads(xml('<dict key="a">' * 64 + "</dict>" * 64))


def test_a_job_that_holds_itself_is_refused() -> None:
    job = Job()
    job["a"] = job
    with pytest.raises(Invalid, match="deeper than 64"):
        dumps(job)


HOSTILE = {
    "empty": (b"", "line 1: malformed XML, no element found"),
    "not xml": (b"hello", "malformed XML"),
    "a DTD": (b'<!DOCTYPE qbjob SYSTEM "http://x/"><qbjob version="1"/>', "line 1: a DOCTYPE is not allowed"),
    "entities": (b'<!DOCTYPE q [<!ENTITY a "ha">]><qbjob version="1"/>', "a DOCTYPE is not allowed"),
    "an unknown entity": (xml('<text key="a">&ha;</text>'), "undefined entity"),
    "a processing instruction": (xml("<?php ?>"), "processing instruction"),
    "another root": (b"<job/>", "the root is <job>"),
    "no version": (b"<qbjob/>", "version none is not known"),
    "a later version": (b'<qbjob version="2"/>', "version 2 is not known"),
    "a second root": (b'<qbjob version="1"/><qbjob version="1"/>', "malformed XML, junk after"),
    "cut off": (b'<qbjob version="1">\n<text key="a">x', "line 2: malformed XML"),
    "another encoding": (b'<?xml version="1.0" encoding="latin-1"?>' + xml("") + b"\xe9", "malformed XML"),
    "an unknown element": (xml('\n\n<date key="a"/>'), "line 3: <date> is not known"),
    "an element in a text": (xml('<text key="a"><b/></text>'), "<b> stands inside <text>"),
    "no key": (xml("<int>1</int>"), "<int> needs a key"),
    "a key in a list": (xml('<list key="a"><int key="b">1</int></list>'), "<int> has attributes"),
    "a further attribute": (xml('<int key="a" b="c">1</int>'), "no other attribute"),
    "a key twice": (xml('<int key="a">1</int><int key="a">2</int>'), "the key 'a' stands twice"),
    "text between values": (xml("hello"), "the text 'hello' stands between values"),
    "a wrong int": (xml('<int key="a">1.5</int>'), "'1.5' is no int"),
    "an endless int": (xml(f'<int key="a">{"9" * 4301}</int>'), "is no int"),
    "a wrong bool": (xml('<bool key="a">yes</bool>'), "'yes' is no bool"),
    "a wrong float": (xml('<float key="a">much</float>'), "'much' is no float"),
    "a full none": (xml('<none key="a">x</none>'), "'x' is no none"),
    "a huge attribute": (xml(f'<none key="{"k" * 3_000_000}"/>'), "longer than 1 MB"),
    "a huge comment": (xml(f"<!--{'k' * 3_000_000}-->"), "longer than 1 MB"),
    "a later binary form": (b"QBJOB\x02", "binary version 02 is not known"),
    "only the start of the binary form": (b"QBJOB", "is not known"),
    "damaged": (MAGIC + b"hello", "the compressed part is damaged"),
    "compressed, cut off": (dumps({"a": "b"}, QB_API_BINARY)[:-4], "ends too early"),
    "compressed, empty": (MAGIC, "ends too early"),
    "something behind it": (dumps({"a": "b"}, QB_API_BINARY) + b"x", "something follows"),
    "far behind it": (dumps({"a": "b"}, QB_API_BINARY) + b"x" * 200_000, "something follows"),
    "compressed DTD": (MAGIC + zlib.compress(b"<!DOCTYPE a><a/>"), "a DOCTYPE is not allowed"),
}


@pytest.mark.parametrize(("data", "sentence"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_or_broken_archive_is_refused_and_says_why(data: bytes, sentence: str) -> None:
    with pytest.raises(Invalid) as refused:
        loads(data)
    assert sentence in str(refused.value)


@given(st.binary(max_size=200), st.sampled_from([b"", MAGIC, b'<qbjob version="1">']))
def test_any_bytes_are_a_job_or_refused(data: bytes, head: bytes) -> None:
    try:
        assert type(loads(head + data)) is Job
    except Invalid as refused:
        assert str(refused)


class Meter(io.RawIOBase):
    """An endless file of one byte that counts what is taken from it."""

    def __init__(self, head: bytes) -> None:
        self.head, self.taken = head, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.taken += size
        head, self.head = self.head[:size], self.head[size:]
        return head or b"y" * size


def test_an_endless_archive_is_read_no_further_than_the_limit() -> None:
    endless = Meter(b'<qbjob version="1"><text key="a">')
    with pytest.raises(Invalid, match="larger than 1,000,000 bytes"):
        read(endless, limit=1_000_000)  # type: ignore[arg-type]
    assert endless.taken < 1_200_000


def test_a_compression_bomb_is_refused_while_it_is_decompressed() -> None:
    bomb = MAGIC + zlib.compress(b'<qbjob version="1"><text key="a">' + b"y" * 100_000_000, 9)
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="larger than 1,000,000 bytes"):
            loads(bomb, limit=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.xml"
    with huge.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(Invalid, match="larger than 536,870,912 bytes"):
        recover(huge)


@each_form
def test_writing_a_long_agenda_never_holds_the_whole_text(form: int) -> None:
    job = Job(agenda=[{"name": str(frame), "status": "complete"} for frame in range(40_000)])
    sizes: list[int] = []

    class Sink(io.RawIOBase):
        def write(self, block: Any) -> int:
            sizes.append(len(block))
            return len(block)

    tracemalloc.start()
    try:
        written = write(Sink(), job, form)  # type: ignore[arg-type]
        assert tracemalloc.get_traced_memory()[1] < 1_500_000
    finally:
        tracemalloc.stop()
    assert written == sum(sizes) == len(dumps(job, form))
    assert max(sizes) < 150_000


@each_form
def test_a_job_is_saved_and_recovered(tmp_path: Path, form: int) -> None:
    path = tmp_path / "job.xml"
    size = archivejob(path, example(), form)
    assert size == path.stat().st_size
    assert recoverjob(str(path)) == recoverjob(path, form) == recover(path) == example()
    assert error() == ""
    assert names(tmp_path) == ["job.xml"]


def test_saving_over_an_archive_replaces_it_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "job.xml"
    archivejob(path, example())
    with pytest.raises(Invalid):
        archivejob(path, {"agenda": [1] * 50_000, "package": {"a": object()}})
    assert recover(path) == example()
    archivejob(path, {"name": "other"})
    assert recover(path) == {"name": "other"}
    assert names(tmp_path) == ["job.xml"]


@pytest.mark.parametrize("name", ["no/such/folder/job.xml", "."])
def test_a_place_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid, match=r"filename: .* cannot be written"):
        archivejob(tmp_path / name, example())
    assert names(tmp_path) == []


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="format: there is no format 3"):
        archivejob(tmp_path / "job.xml", example(), 3)
    assert names(tmp_path) == []


def test_a_format_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.xml"
    archivejob(path, example(), QB_API_BINARY)
    with pytest.raises(Invalid, match="format: the file is an archive of the other format"):
        recover(path, QB_API_XML)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_bytes(b"<!DOCTYPE a><a/>"), "a DOCTYPE is not allowed"),
        (lambda path: path.mkdir(), "directory"),
    ],
    ids=["missing", "hostile", "a folder"],
)
def test_recovering_in_vain_gives_none_and_keeps_the_sentence(
    tmp_path: Path, make: Callable[[Path], Any], sentence: str
) -> None:
    path = tmp_path / "job.xml"
    make(path)
    assert recoverjob(path) is None
    assert sentence in error()
    assert str(path) in error()
    archivejob(tmp_path / "good.xml", example())
    assert recoverjob(tmp_path / "good.xml") == example()
    assert error() == ""


def test_the_limit_is_half_a_gigabyte() -> None:
    assert archive.LIMIT == 512 * 2**20
