"""The grammar of requirements: from text to conditions, with the place and the cure of what is malformed.

From weakest to strongest: comma (means and), or, and, not, comparisons, + -, * / %. The list beside `in` or `has` has
commas without spaces. A minus is a subtraction only between spaces or after a number; `render-01`, `2.6.17`, `3dsmax`
and `/show/shot` are words and need no quotes. A quoted text ends at the next quote of its kind; there are no escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeAlias

from qbcore.conditions import All, AnyOf, Comparison, Condition, Not, Truth
from qbcore.errors import BadExpression
from qbcore.values import (
    COMPARE,
    KEYWORDS,
    NUMBER,
    PATH,
    WORD,
    Arithmetic,
    Items,
    Literal,
    Operand,
    Value,
    is_number,
    is_operand,
)

MAX_LENGTH = 100_000  # characters: a list of some thousand hosts fits
MAX_DEPTH = 50  # parentheses and nots inside each other
MAX_SUMS = 100  # arithmetic signs in one text

_ITEM = rf"(?:'[^']*'|\"[^\"]*\"|-?{NUMBER}|{PATH}|{WORD})"
_LIST = rf"{_ITEM}(?:,{_ITEM})+"
_list_of_in = re.compile(_LIST).match
_list_of_has = re.compile(rf"{_LIST}(?=\s+has(?![\w.:@-]))", re.IGNORECASE).match
_items = re.compile(_ITEM).finditer
_space = re.compile(r"\s*").match
_operand = re.compile(rf"(?P<open>\()|(?P<not>!(?!=)|not(?![\w.:@-]))|(?P<value>{_ITEM})", re.IGNORECASE).match
_operator = re.compile(
    r"(?P<close>\))|(?P<op>&&|\|\||==|!=|<>|<=|>=|[,=<>+*/%-]|(?:eq|ne|and|or|lt|gt|le|ge|in|has)(?![\w.:@-]))",
    re.IGNORECASE,
).match
_name = re.compile(r"(?:host|job)(?:\.[a-z0-9_-]+)+").fullmatch

_CANONICAL = {
    "&&": "and", "||": "or", "=": "==", "eq": "==", "<>": "!=", "ne": "!=",
    "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
}  # fmt: skip
_NOT, _COMPARING = 4, 5
_POWER = {",": 1, "or": 2, "and": 3, "in": 5, "has": 5, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7}
_POWER |= dict.fromkeys(COMPARE, _COMPARING)
_EXPECTED_VALUE = "Expected an operand, a number or a text; quote a text that looks like an operator."
_EXPECTED_OPERATOR = "Expected 'and', 'or', a comparison such as == or <, arithmetic, or the end."
_EXPECTED_JOIN = "Expected 'and', 'or' or the end; a condition after a list needs a space behind the comma."

Node: TypeAlias = Value | Condition


def read(text: str, field: str) -> Condition:
    """The condition that a requirement says; empty text is always true. Raises BadExpression."""
    return _Parser(text, field).whole()


class _Token(NamedTuple):
    kind: str  # 'value', 'open', 'not', 'close', 'end', or an operator in its canonical spelling
    text: str
    position: int


class _Parser:
    """One reading of one text: tokens are taken as asked for, operators are joined by their power."""

    def __init__(self, text: str, field: str) -> None:
        self.text = text
        self.field = field
        self.position = 0
        self.after_number = False
        self.depth = 0
        self.sums = 0
        self.token = _Token("end", "", 0)  # the operator read ahead

    def whole(self) -> Condition:
        if len(self.text) > MAX_LENGTH:
            self.fail(f"the text is longer than {MAX_LENGTH} characters", MAX_LENGTH, "Shorten it.")
        if not self.text.strip():
            return All(())
        node = self.expression(0, comparing=False)
        if self.token.kind == "close":
            self.fail("this parenthesis was never opened", self.token.position, "Remove it, or open it before.")
        return self.condition(node, 0)

    def expression(self, power: int, *, comparing: bool) -> Node:
        """What binds stronger than `power`; `comparing` says that this is the right side of an operator on values."""
        start = self.skip()
        left = self.operand(comparing=comparing)
        self.token = self.operator()
        while (own := _POWER.get(self.token.kind, 0)) > power:
            left = self.joined(left, start, own)
        return left

    def joined(self, left: Node, start: int, power: int) -> Node:
        op = self.token
        if op.kind in (",", "and", "or"):
            return self.chain(left, start, op.kind, power)
        first = self.value(left, start, op)
        right_at = self.skip()
        listed = self.listed(_list_of_in) if op.kind == "in" else None
        if listed:
            self.token = self.operator()
        second = listed or self.value(self.expression(power, comparing=True), right_at, op)
        if power == _COMPARING:
            return self.comparison(op, first, second, start, right_at)
        self.sums += 1
        if self.sums > MAX_SUMS:
            self.fail(f"more than {MAX_SUMS} arithmetic signs", op.position, "Compute part of it beforehand.")
        return Arithmetic(op.kind, self.numeric(first, start), self.numeric(second, right_at))

    def chain(self, left: Node, start: int, op: str, power: int) -> Condition:
        """All the parts that one kind of joining operator joins, as one flat node."""
        parts = [self.condition(left, start)]
        while self.token.kind == op:
            at = self.skip()
            parts.append(self.condition(self.expression(power, comparing=False), at))
        kind: type[All] | type[AnyOf] = AnyOf if op == "or" else All
        nested = ((part.parts if isinstance(part, kind) else (part,)) for part in parts)
        return kind(tuple(part for inner in nested for part in inner))

    def comparison(self, op: _Token, left: Value, right: Value, left_at: int, right_at: int) -> Comparison:
        for side, at, may_list in ((left, left_at, op.kind == "has"), (right, right_at, op.kind == "in")):
            if may_list and isinstance(side, Arithmetic):
                self.fail(f"'{op.text}' needs a list, not a calculation", at, "Name a comma list or an operand.")
            if not may_list and isinstance(side, Items):
                self.fail("a list stands only beside 'in' and 'has'", at, "Write a space after the comma to mean and.")
        if _POWER.get(self.token.kind) == _COMPARING:
            self.fail("two comparisons in a row", self.token.position, _EXPECTED_JOIN)
        return Comparison(op.kind, left, right)

    def operand(self, *, comparing: bool) -> Node:
        at = self.position
        if not comparing and "," in self.text and (listed := self.listed(_list_of_has)):
            return listed
        found = _operand(self.text, at)
        if found is None:
            self.refuse_operand(at)
        self.position = found.end()
        self.after_number = False
        if found["value"] is not None:
            return self.word(found["value"], at)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH}", at, "Use fewer parentheses and nots.")
        node = self.negated(at) if found["not"] else self.enclosed(at)
        self.depth -= 1
        return node

    def negated(self, at: int) -> Not:
        inner_at = self.skip()
        node = Not(self.condition(self.expression(_NOT, comparing=False), inner_at))
        self.position = self.token.position  # the operator after it is read again by whoever asked for the operand
        return node

    def enclosed(self, at: int) -> Node:
        self.skip()
        node = self.expression(0, comparing=False)
        if self.token.kind != "close":
            self.fail("this parenthesis is never closed", at, "Expected ')' later on.")
        self.position = self.token.position + 1
        self.after_number = False
        return node

    def refuse_operand(self, at: int) -> NoReturn:
        if self.text[at : at + 1] in ("'", '"'):
            self.fail("this quote is never closed", at, f"Expected {self.text[at]} at the end of the text.")
        self.fail(f"a value is missing before {self.shown(at)}", at, _EXPECTED_VALUE)

    def word(self, text: str, at: int) -> Literal | Operand:
        """One value: a quoted text, a number, an operand, or a word that stands for itself."""
        if text[0] in "'\"":
            return Literal(text[1:-1])
        lower = text.lower()
        if lower in KEYWORDS:
            self.fail(f"a value is missing before '{text}'", at, _EXPECTED_VALUE)
        if not is_operand(lower):
            self.after_number = bool(is_number(text))
            return Literal(text)
        if not _name(lower):
            self.fail(f"'{text}' does not name a fact", at, "Expected host.<name> or job.<name>; quote it as a text.")
        return Operand(lower)

    def listed(self, match: Callable[[str, int], re.Match[str] | None]) -> Items | None:
        found = match(self.text, self.position)
        if found is None:
            return None
        at = self.position
        parts = tuple(self.word(item[0], at + item.start()) for item in _items(found[0]))
        self.position = found.end()
        self.after_number = False
        return Items(parts)

    def operator(self) -> _Token:
        """The operator that comes next; refuses what cannot follow a value."""
        before, at = self.position, self.skip()
        if at == len(self.text):
            return _Token("end", "", at)
        found = _operator(self.text, at)
        if found is None:
            self.fail(f"an operator is missing before {self.shown(at)}", at, _EXPECTED_OPERATOR)
        self.position = found.end()
        if found["close"]:
            return _Token("close", ")", at)
        text = found["op"]
        if text == "-" and not self.after_number and not (before < at and self.text[at + 1 : at + 2].isspace()):
            self.fail("a minus here is no subtraction", at, "Write spaces on both sides of it, or quote the name.")
        lower = text.lower()
        return _Token(_CANONICAL.get(lower, lower), text, at)

    def condition(self, node: Node, at: int) -> Condition:
        """The node as something true or false."""
        if isinstance(node, (Operand, Arithmetic)) or (isinstance(node, Literal) and _bare(node.text)):
            return Truth(node)
        if isinstance(node, Literal):
            hint = "Expected a comparison, such as host.os == linux; lists have no spaces after their commas."
            self.fail(f"'{node.text}' is a text, not a condition", at, hint)
        if isinstance(node, Items):
            self.fail("a list is no condition", at, "Expected 'has' after the list.")
        return node

    def value(self, node: Node, at: int, op: _Token) -> Value:
        """The node as something to compare or to count with."""
        if not isinstance(node, (Literal, Operand, Items, Arithmetic)):
            self.fail(f"'{op.text}' needs a value beside it, not a condition", at, "Join conditions with 'and'.")
        return node

    def numeric(self, value: Value, at: int) -> Value:
        if isinstance(value, Items) or (isinstance(value, Literal) and not is_number(value.text)):
            self.fail(f"'{value}' is not a number", at, "Expected a number or an operand; quote a name.")
        return value

    def skip(self) -> int:
        found = _space(self.text, self.position)
        self.position = found.end() if found else self.position
        return self.position

    def shown(self, at: int) -> str:
        return f"'{self.text[at]}'" if at < len(self.text) else "the end"

    def fail(self, message: str, position: int, hint: str) -> NoReturn:
        raise BadExpression(message, text=self.text, position=position, hint=hint, field=self.field)


def _bare(text: str) -> bool:
    return bool(is_number(text)) or text.lower() in ("true", "false")
