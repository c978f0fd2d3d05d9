"""The arguments of a call over HTTP: bound to the door's parameters, each of the kind that the surface's hints say."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from farm.kinds import KINDS, OF_ANY, OF_ONE, Kind, fits
from qbcore import surface
from qbcore.errors import BadId, Invalid
from qbcore.ids import flatten

Door = Callable[..., Any]
Parameter = inspect.Parameter
SPREAD = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def public(door: Door) -> inspect.Signature:
    """A door's arguments as documentation writes them: without types and the farm's own."""
    kept = [one for one in inspect.signature(door).parameters.values() if not one.name.startswith("_")]
    return inspect.Signature([one.replace(annotation=Parameter.empty) for one in kept])


def kind_of(name: str, door: Door, parameter: str) -> Kind:
    """By the hint of the surface's parameter of that name, else by the door's own."""
    if (name, parameter) in OF_ONE:
        return OF_ONE[name, parameter]
    if parameter in OF_ANY:
        return OF_ANY[parameter]
    hints = {**_hints(door), **_hints(getattr(surface, name, door))}
    return KINDS.get(hints.get(parameter, ""), KINDS["Any"])


def _hints(function: Door) -> dict[str, str]:
    return {one.name: str(one.annotation) for one in inspect.signature(function).parameters.values()}


def checked(name: str, door: Door, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments, numbers as numbers. Raises Invalid, naming the one that is wrong, missing or too much."""
    signature = public(door)
    own = [key for key in kwargs if key.startswith("_")]
    if own:
        raise Invalid(f"{name} has no argument of this name", field=own[0])
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise Invalid(f"{name}: {error}", hint=f"It is called as {name}{signature}.") from error
    names = positions(signature, len(args))
    return (
        [_checked(name, door, key, value) for key, value in zip(names, args, strict=True)],
        {key: _checked(name, door, key, value) for key, value in kwargs.items()},
    )


def positions(signature: inspect.Signature, count: int) -> list[str]:
    """The parameters that so many values in order go to."""
    named = [one.name for one in signature.parameters.values() if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
    rest = next((one.name for one in signature.parameters.values() if one.kind is Parameter.VAR_POSITIONAL), "")
    return [*named, *[rest] * (count - len(named))][:count]


def _checked(name: str, door: Door, parameter: str, value: Any) -> Any:
    kind = kind_of(name, door, parameter)
    if not fits(kind.schema, value):
        raise Invalid(f"this is not {kind.wanted}", field=parameter)
    if kind.parse and not (value is None and parameter == "id"):
        _check_ids(kind.parse, parameter, value)
    return int(value) if kind.whole and isinstance(value, (str, float)) else value


def _check_ids(parse: Callable[[object], object], field: str, ids: object) -> None:
    try:
        for one in flatten(ids):
            parse(one)
    except BadId as wrong:
        wrong.field = field
        raise
