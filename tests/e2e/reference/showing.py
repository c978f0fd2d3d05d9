"""An example carried out statement by statement, as somebody types it: what each call gave, and what it printed."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import qb
from tests.e2e.reference.pages import runnable

Names = dict[str, Any]


@dataclass
class Shown:
    """What an example left behind."""

    values: list[Any] = field(default_factory=list)
    """The results of its calls, in order."""
    printed: str = ""
    names: Names = field(default_factory=dict)
    """What it set."""


def nothing() -> Names:
    return {}


def values(shown: Shown) -> Any:
    return shown.values


def printed(shown: Shown) -> Any:
    return shown.printed.splitlines()


@dataclass(frozen=True)
class Check:
    """What must be true: `before` brings it about ahead of each statement, `after` tells what came of them."""

    gives: Any
    """What `after` must answer."""
    after: Callable[[Shown], Any] = values
    before: Callable[[], Names] = nothing


def show(example: str, check: Check) -> Any:
    """Carries an example out; what its check tells afterwards."""
    shown, output = Shown(names={"qb": qb}), io.StringIO()
    for statement in ast.parse(runnable(example)).body:
        shown.names |= check.before()
        with redirect_stdout(output):
            _do(statement, shown)
    shown.printed = output.getvalue()
    return check.after(shown)


def _do(statement: ast.stmt, shown: Shown) -> None:
    if isinstance(statement, ast.Expr):
        call = ast.Expression(statement.value)
        shown.values.append(eval(compile(call, "<reference>", "eval"), shown.names))
        return
    exec(compile(ast.Module([statement], []), "<reference>", "exec"), shown.names)
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call):
        shown.values += [shown.names[target.id] for target in statement.targets if isinstance(target, ast.Name)]
