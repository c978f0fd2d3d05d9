"""A function's signature as arguments of a subcommand, and what was given as a call of the function."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from typing import Any

from qbcore import surface
from qbcore.cli.values import list_of, mapping_of, moment

Parameter = inspect.Parameter
Namespace = argparse.Namespace

# Optional arguments that may also stand by their place: `qb jobinfo 250`, `qb hostinfo render-01`.
BY_PLACE = {
    "jobinfo": "id", "hostinfo": "name", "workerinfo": "name", "workerlock": "name", "workerban": "name",
    "workerdrain": "name", "workerforget": "name",
    "hostorder": "id", "joborder": "name", "isadmin": "user",
}  # fmt: skip
MUST_BE_NAMED = frozenset({"workerlock", "workerban", "workerdrain", "workerforget"})
"""Where naming nothing would mean everything."""
GLOBAL = frozenset({"fields", "supervisor", "timeout"})
"""Parameters that an option of all commands stands for."""
SPOKEN_TWICE = {("joborder", "host"), ("ping", "host"), ("ping", "asDict")}
"""Parameters that another one, or the way of printing, says already."""
RANGE_OPTIONS = {"binarySort": "first, last, then the medians", "removeDuplicates": "each frame once (the default)"}
MAPPINGS = ("Mapping[str, Any]", "Mapping[str, Any] | str")
LISTS = ("Text", "Sequence[str]")


def parameters(name: str) -> list[Parameter]:
    """What the subcommand takes of the function's parameters."""
    found = inspect.signature(getattr(surface, name)).parameters.values()
    return [one for one in found if one.name not in GLOBAL and (name, one.name) not in SPOKEN_TWICE]


def add_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    given = parameters(name)
    repeated = {one.name for one in given if one.kind is Parameter.VAR_POSITIONAL}
    for one in given:
        if one.kind is Parameter.VAR_KEYWORD:
            for option, told in RANGE_OPTIONS.items():
                parser.add_argument(f"--{option}", action=argparse.BooleanOptionalAction, default=None, help=told)
        elif one.name not in repeated:
            _add(name, one, parser, many=bool(repeated) and one is _last_required(given))


def _last_required(given: list[Parameter]) -> Parameter | None:
    needed = [one for one in given if one.kind is Parameter.POSITIONAL_OR_KEYWORD and one.default is Parameter.empty]
    return needed[-1] if needed else None


def _add(name: str, one: Parameter, parser: argparse.ArgumentParser, *, many: bool) -> None:
    hint, option = str(one.annotation), f"--{one.name}"
    if one.default is Parameter.empty:
        several = many or hint in MAPPINGS or name in ("rangejoin", "binarySort")
        metavar = "KEY=VALUE" if hint in MAPPINGS else one.name
        parser.add_argument(one.name, nargs="+" if several else None, type=_type(hint), metavar=metavar)
    elif BY_PLACE.get(name) == one.name:
        must = name in MUST_BE_NAMED
        parser.add_argument(one.name, nargs="+" if must else "*", help=None if must else "all when none is given")
    elif hint == "bool" and not one.default:
        parser.add_argument(option, action="store_true")
    elif hint == "bool":
        parser.add_argument(option, action=argparse.BooleanOptionalAction, default=one.default)
    elif hint in LISTS or hint in MAPPINGS:
        metavar = "KEY=VALUE" if hint in MAPPINGS else f"{one.name.upper()},..."
        parser.add_argument(option, action="append", default=[], metavar=metavar)
    elif one.name == "lock":
        parser.add_argument("--lock", dest="lock", action="store_true", default=True, help="what it does unless told")
        parser.add_argument("--unlock", dest="lock", action="store_false", default=True, help="let it work again")
        parser.add_argument("--slots", dest="lock", type=_slots, metavar="N", help="lock only so many slots")
    else:
        told = "unix seconds, a date (2026-11-22) or date and time (2026-11-22T18:30)" if hint == "Time" else None
        parser.add_argument(option, type=_type(hint), default=one.default, help=told)


def _slots(text: str) -> str:
    """So many slots, as the API writes them."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of slots")
    return f"host.processors={text}"


def _type(hint: str) -> Callable[[str], Any]:
    if hint == "Time":
        return moment
    words = hint.replace("None", "").split()
    return float if "float" in words else int if words[:1] == ["int"] and "str" not in words else str


def call(name: str, given: Namespace) -> Any:
    """Calls the function with what was given on the command line."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for one in parameters(name):
        if one.kind is Parameter.VAR_KEYWORD:
            options = {option: getattr(given, option) for option in RANGE_OPTIONS}
            kwargs.update({option: value for option, value in options.items() if value is not None})
        elif one.kind is not Parameter.VAR_POSITIONAL:
            _take(name, one, getattr(given, one.name), args, kwargs)
    return getattr(surface, name)(*args, **kwargs)


def _take(name: str, one: Parameter, value: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Required values go by their place, several of them one by one; the others by their name when they were given."""
    hint = str(one.annotation)
    if one.default is not Parameter.empty:
        if BY_PLACE.get(name) == one.name:
            value = (value if len(value) > 1 or hint in ("Text", "Any") else value[0]) if value else one.default
        elif hint in MAPPINGS or hint.startswith("Mapping"):
            value = mapping_of(value)
        elif hint in LISTS:
            value = list_of(value) or None
        if value != one.default:
            kwargs[one.name] = value
    elif hint in MAPPINGS:
        args.append(mapping_of(value))
    elif isinstance(value, list) and name not in ("rangejoin", "binarySort"):
        args.extend(value)
    else:
        args.append([int(number) for number in value] if isinstance(value, list) else value)
