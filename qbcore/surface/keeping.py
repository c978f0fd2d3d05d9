"""What the public functions have in common: the sentence of a failure stays in `error()`, wherever it came from."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from qbcore.errors import QubeError, set_error

Function = TypeVar("Function", bound=Callable[..., Any])


def keeping(function: Function) -> Function:
    """The same function; a QubeError that it raises is what `error()` says in this thread from then on."""

    @wraps(function)
    def kept(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except QubeError as failure:
            set_error(str(failure))
            raise

    return cast("Function", kept)
