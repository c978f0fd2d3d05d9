"""What the API hands out and takes: dictionaries whose keys read as attributes.

Fields are plain values: `job.id` is a number, it cannot be called as `job.id()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from qbcore.errors import Invalid

_Self = TypeVar("_Self", bound="QBObject")


class QBObject(dict[str, Any]):
    """A dict with attribute access. Unknown keys are kept; a name given as a number becomes text."""

    KIND: ClassVar[str] = ""
    NESTED: ClassVar[dict[str, type[QBObject]]] = {}

    def __init__(self, data: Mapping[str, Any] | Iterable[Any] | None = None, **fields: Any) -> None:
        try:
            super().__init__(() if data is None else data, **fields)
        except (TypeError, ValueError) as error:
            given = type(data).__name__
            raise Invalid(f"{type(self).__name__} takes a dictionary, not {given}", field="data") from error
        name = self.get("name")
        if isinstance(name, (int, float)) and not isinstance(name, bool):
            self["name"] = str(name)
        for key, kind in self.NESTED.items():
            if key in self:
                self[key] = _objects(self[key], kind)

    def __getattr__(self, name: str) -> Any:
        # Dunder lookups are Python's own questions (copy, pickle); a key must never answer them.
        if name in self and not name.startswith("__"):
            return self[name]
        raise AttributeError(f"{type(self).__name__} has no field '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        if name not in self:
            raise AttributeError(f"{type(self).__name__} has no field '{name}'")
        del self[name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict.__repr__(self)})"

    def copy(self: _Self) -> _Self:
        """A shallow copy of the same class."""
        twin = type(self).__new__(type(self))
        twin.update(self)
        return twin


class Subjob(QBObject):
    """A process of a job on a host; `pid` is the job's id, `id` counts from 0."""

    KIND = "subjob"


class Work(QBObject):
    """One item of a job's agenda: a frame, a chunk of frames or a word."""

    KIND = "work"


class Host(QBObject):
    """A worker host."""

    KIND = "host"
    NESTED: ClassVar[dict[str, type[QBObject]]] = {"subjobs": Subjob}


class Callback(QBObject):
    """What shall happen when an event is raised."""

    KIND = "callback"


class Job(QBObject):
    """A job. Dicts in its agenda, subjobs and callbacks become Work, Subjob and Callback."""

    KIND = "job"
    NESTED: ClassVar[dict[str, type[QBObject]]] = {"agenda": Work, "subjobs": Subjob, "callbacks": Callback}

    def __init__(
        self,
        data: Mapping[str, Any] | Iterable[Any] | None = None,
        name: str | int | None = None,
        prototype: str | None = None,
        package: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """`name`, `prototype`, `package` and further fields win over the same keys of `data`; None means not given."""
        named = {"name": name, "prototype": prototype, "package": package}
        super().__init__(data, **{key: value for key, value in named.items() if value is not None}, **fields)


class SubmitResult(list[Job]):
    """What submit answers: the list of its jobs. Text keys, attributes and dict methods reach the first job."""

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if not self:
            raise KeyError(key)
        return super().__getitem__(0)[key]

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return bool(self) and key in self[0]
        return super().__contains__(key)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not self:
            raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")
        return getattr(self[0], name)


def _objects(value: Any, kind: type[QBObject]) -> Any:
    """Plain dicts of a list as objects of that kind; whatever else stands there stays as it is."""
    if not isinstance(value, (list, tuple)):
        return value
    return [kind(item) if isinstance(item, Mapping) and type(item) is not kind else item for item in value]
