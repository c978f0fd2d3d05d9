"""Jobs as markup: typed values in elements, written line by line and read as they come.

Reading refuses whatever the writer would not have written: DTDs, entities, unknown elements, depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn
from xml.parsers import expat

from qbcore.errors import Invalid
from qbcore.objects import Job

DEEPEST = 64  # lists and dicts inside each other, the job itself counted

_PIECE = 64 * 1024  # bytes of text that the parser hands over at once
_LONGEST_TAG = 1024 * 1024  # bytes
_LONGEST_KEY = 64 * 1024  # characters; the longest tag fits it however much of it is escaped
_LARGEST_INT = 10**4300  # what Python reads back from text without a special setting

_SPECIAL = re.compile("[&<>\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|\\\\(?=u)")
_SPECIAL_IN_KEY = re.compile('[\t\n"]|' + _SPECIAL.pattern)
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_INT = re.compile(r"-?[0-9]{1,4300}")


def lines(job: Mapping[str, Any]) -> Iterator[str]:
    """The markup of a job, the keys of every dict sorted; an iterator is written as the list of what it gives.

    Raises Invalid for a value that has no form here.
    """
    yield '<?xml version="1.0" encoding="utf-8"?>\n<qbjob version="1">\n'
    yield from _Writer().entries(job, ())
    yield "</qbjob>\n"


class _Writer:
    """Turns values into lines; remembers how each key is written."""

    def __init__(self) -> None:
        self._attributes: dict[str, str] = {}

    def entries(self, values: Mapping[str, Any], path: tuple[object, ...]) -> Iterator[str]:
        for key in _checked_keys(values, path):
            value, attribute = values[key], self._attribute(key)
            line = _scalar(value, attribute)
            if line:
                yield line
            else:
                yield from self._container(value, attribute, (*path, key))

    def _container(self, value: object, attribute: str, path: tuple[object, ...]) -> Iterator[str]:
        if not isinstance(value, (Mapping, list, tuple, Iterator)):
            raise _not_archivable(value, path)
        elif len(path) >= DEEPEST:
            raise Invalid(f"lists and dicts go deeper than {DEEPEST} levels", field=_dotted(path[:4]))
        elif isinstance(value, Mapping):
            yield f"<dict{attribute}>\n"
            yield from self.entries(value, path)
            yield "</dict>\n"
        else:
            yield f"<list{attribute}>\n"
            for position, item in enumerate(value):
                line = _scalar(item, "")
                if line:
                    yield line
                else:
                    yield from self._container(item, "", (*path, position))
            yield "</list>\n"

    def _attribute(self, key: str) -> str:
        known = self._attributes.get(key)
        if known is None:
            known = self._attributes[key] = f' key="{_SPECIAL_IN_KEY.sub(_escape, key)}"'
        return known


class Reader:
    """Builds a job out of blocks of markup: feed them all, then close. Raises Invalid with the line, counted from 1."""

    def __init__(self) -> None:
        self._job: dict[str, Any] = {}
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: dict[str, str] = {}  # every key once, however many items carry it
        self._key = ""
        self._scalar = ""
        self._text: list[str] = []
        self._fed = 0
        self._parser = expat.ParserCreate("utf-8")
        self._parser.ordered_attributes = True
        self._parser.buffer_text = True
        self._parser.buffer_size = _PIECE
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = lambda *_: self._refuse("a DOCTYPE is not allowed")
        self._parser.ProcessingInstructionHandler = lambda *_: self._refuse("a processing instruction is not allowed")

    def feed(self, block: bytes) -> None:
        self._fed += len(block)
        self._parse(block, is_last=False)
        # The parser starts a tag anew with every block until it ends: a huge one would cost the square of its size.
        if self._fed - self._parser.CurrentByteIndex > _LONGEST_TAG + len(block):
            self._refuse("a tag or comment is longer than 1 MB")

    def close(self) -> Job:
        self._parse(b"", is_last=True)
        return Job(self._job)

    def _parse(self, block: bytes, *, is_last: bool) -> None:
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as error:
            raise Invalid(
                f"line {error.lineno}: malformed XML, {expat.ErrorString(error.code)}", field="archive"
            ) from error

    def _start(self, tag: str, attributes: list[str]) -> None:
        if not self._open:
            self._start_job(tag, attributes)
            return
        if self._scalar:
            self._refuse(f"<{tag:.40}> stands inside <{self._scalar}>")
        self._key = self._checked_key(tag, attributes)
        if tag in _SCALARS:
            self._scalar = tag
        elif tag == "dict" or tag == "list":
            self._start_container({} if tag == "dict" else [])
        else:
            self._refuse(f"<{tag:.40}> is not known")

    def _start_job(self, tag: str, attributes: list[str]) -> None:
        if tag != "qbjob":
            self._refuse(f"the root is <{tag:.40}>, not <qbjob>")
        if attributes != ["version", "1"]:
            given = ",".join(attributes[1::2]) or "none"
            self._refuse(f"version {given:.40} is not known; this reader knows version 1")
        self._open.append(self._job)

    def _start_container(self, container: dict[str, Any] | list[Any]) -> None:
        self._put(container)
        self._open.append(container)
        if len(self._open) > DEEPEST:
            self._refuse(f"lists and dicts go deeper than {DEEPEST} levels")

    def _checked_key(self, tag: str, attributes: list[str]) -> str:
        inside = self._open[-1]
        if isinstance(inside, list):
            if attributes:
                self._refuse(f"<{tag:.40}> has attributes, but values of a list have none")
            return ""
        if len(attributes) != 2 or attributes[0] != "key":
            self._refuse(f"<{tag:.40}> needs a key and no other attribute")
        written = attributes[1]
        key = self._keys.get(written)
        if key is None:
            key = self._keys[written] = _unescaped(written)
        if key in inside:
            self._refuse(f"the key '{key:.40}' stands twice in one dict")
        return key

    def _end(self, tag: str) -> None:
        if not self._scalar:
            self._open.pop()
            return
        text = "".join(self._text)
        try:
            self._put(_SCALARS[tag](text))
        except (KeyError, ValueError):
            self._refuse(f"'{text:.40}' is no {tag}")
        self._scalar = ""
        self._text.clear()

    def _data(self, text: str) -> None:
        if self._scalar:
            self._text.append(text)
        elif text.strip(" \t\r\n"):
            self._refuse(f"the text '{text.strip():.40}' stands between values")

    def _put(self, value: object) -> None:
        inside = self._open[-1]
        if isinstance(inside, dict):
            inside[self._key] = value
        else:
            inside.append(value)

    def _refuse(self, what: str) -> NoReturn:
        raise Invalid(f"line {self._parser.CurrentLineNumber}: {what}", field="archive")


def _checked_keys(values: Mapping[str, Any], path: tuple[object, ...]) -> list[str]:
    for key in values:
        if not isinstance(key, str) or len(key) > _LONGEST_KEY:
            raise Invalid(
                f"the key {key!r:.40} cannot be archived", field=_dotted(path), hint="Keys are texts of up to 64 kB."
            )
    return sorted(values)


def _scalar(value: object, attribute: str) -> str | None:
    """The line of a single value, or None for what is no single value or has no text."""
    if isinstance(value, str):
        return f"<text{attribute}>{_SPECIAL.sub(_escape, value)}</text>\n"
    if value is None:
        return f"<none{attribute}/>\n"
    if isinstance(value, bool):
        return f"<bool{attribute}>{'true' if value else 'false'}</bool>\n"
    if isinstance(value, int) and abs(value) < _LARGEST_INT:
        return f"<int{attribute}>{int(value)}</int>\n"
    if isinstance(value, float):
        return f"<float{attribute}>{float(value)!r}</float>\n"
    return None


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    return _MARKUP.get(letter) or f"\\u{ord(letter):04x}"


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "\\u" in text else text


def _int(text: str) -> int:
    if not _INT.fullmatch(text):
        raise ValueError(text)
    return int(text)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "text": _unescaped,
    "int": _int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
    "none": {"": None}.__getitem__,
}


def _not_archivable(value: object, path: tuple[object, ...]) -> Invalid:
    what = "a number of over 4300 digits" if isinstance(value, int) else f"a {type(value).__name__}"
    hint = "Use text, numbers, True, False, None, lists and dicts."
    return Invalid(f"{what} cannot be archived", field=_dotted(path), hint=hint)


def _dotted(path: Iterable[object]) -> str:
    """A path as people write it: agenda[3].package"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part:.40}" for part in path).lstrip(".") or "job"
