"""What can go wrong, in words. An error has a code for the wire, an HTTP status, and a sentence for a person."""

# ruff: noqa: N818 -- the names read as what happened: raise Refused, except NotFound

from __future__ import annotations

import threading
from typing import Any

_EXCERPT = 30  # characters shown on either side of a position


class QubeError(Exception):
    """The farm could not do this."""

    code: str = "error"
    status: int = 500

    def __init__(self, message: str = "") -> None:
        super().__init__(message or type(self).__doc__ or type(self).__name__)

    @property
    def message(self) -> str:
        """The bare message; `str(error)` adds field, position and hint to it."""
        return str(self.args[0])

    def to_wire(self) -> dict[str, Any]:
        """Code, message and details as one flat JSON-able dict, which `from_wire(**wire)` takes."""
        details = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {"code": self.code, "message": self.message, **details}


class Invalid(QubeError):
    """The input is not valid."""

    code = "invalid"
    status = 400

    def __init__(self, message: str = "", *, field: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.hint = hint

    def __str__(self) -> str:
        named = f"{self.field}: {self._located()}" if self.field else self._located()
        return f"{_closed(named)} {self.hint}" if self.hint else named

    def _located(self) -> str:
        return self.message


class BadId(Invalid):
    """This is not the id of a job, a subjob or a work item."""

    code = "bad_id"


class _Located(Invalid):
    """An error at one place of a text; `position` counts characters from 0."""

    def __init__(
        self, message: str = "", *, text: str = "", position: int = 0, field: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.text = text
        self.position = position

    def _located(self) -> str:
        if not self.text:
            return self.message
        return f"{self.message.rstrip('.')} (position {self.position}: {_excerpt(self.text, self.position)})"


class BadRange(_Located):
    """This frame range is malformed."""

    code = "bad_range"


class BadExpression(_Located):
    """This expression is malformed."""

    code = "bad_expression"


class Unsupported(Invalid):
    """This version does not honour this feature yet."""

    code = "unsupported"


class Unauthorized(QubeError):
    """Sign in first: no valid token or session came with the request."""

    code = "unauthorized"
    status = 401


class Refused(QubeError):
    """You may not do this."""

    code = "refused"
    status = 403

    def __init__(self, message: str = "", *, right: str = "", holders: str = "") -> None:
        """`right` is what is missing ('kill jobs of others'), `holders` who has it ('operators and admins')."""
        super().__init__(message)
        self.right = right
        self.holders = holders

    def __str__(self) -> str:
        if not self.right:
            return self.message
        owned = f"; {self.holders} have it" if self.holders else ""
        return f"{_closed(self.message)} It needs the right to {self.right}{owned}."


class NotFound(QubeError):
    """There is no such thing on this farm."""

    code = "not_found"
    status = 404


class Conflict(QubeError):
    """Somebody else changed this first; look again and repeat."""

    code = "conflict"
    status = 409


class Unreachable(QubeError):
    """The supervisor does not answer; check QB_SUPERVISOR and that the farm is running."""

    code = "unreachable"
    status = 503


_BY_CODE: dict[str, type[QubeError]] = {
    kind.code: kind
    for kind in (
        QubeError, Invalid, BadId, BadRange, BadExpression, Unsupported,
        Unauthorized, Refused, NotFound, Conflict, Unreachable,
    )
}  # fmt: skip


def from_wire(code: str, message: str, **details: object) -> QubeError:
    """The error that `to_wire` described. A code of a newer supervisor gives a plain QubeError that keeps the code."""
    error = _BY_CODE.get(code, QubeError)(message)
    own = vars(error)
    own.update({name: value for name, value in details.items() if type(value) is type(own.get(name, ...))})
    if error.code != code:
        error.code = code
    return error


_last = threading.local()


def set_error(sentence: str) -> None:
    """Keep the sentence of the last silent failure of this thread for `error()`; empty text forgets it."""
    _last.sentence = sentence


def error() -> str:
    """The sentence of the last failure that the API kept silent about in this thread, or empty text."""
    return str(getattr(_last, "sentence", ""))


def _closed(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else sentence + "."


def _excerpt(text: str, position: int) -> str:
    """The text around a position, the place itself marked with ▸, nothing unprintable in it."""
    before, after = text[max(0, position - _EXCERPT) : position], text[position : position + _EXCERPT]
    head = "…" if position > _EXCERPT else ""
    tail = "…" if len(text) > position + _EXCERPT else ""
    shown = "".join(letter if letter.isprintable() else "�" for letter in f"{before}▸{after}")
    return f"'{head}{shown}{tail}'"
