"""Formats and looks for templates."""

from __future__ import annotations

import re
from datetime import datetime

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from farm import cells, formats

register = template.Library()
register.filter("count", formats.count)
register.filter("clock", formats.clock)
register.filter("filesize", formats.size)


@register.filter
def plural(number: int, word: str) -> str:
    """{{ 4|plural:"job" }} is '4 jobs'."""
    return formats.plural(number, word)


@register.filter
def age(since: datetime | None, now: datetime) -> str:
    return formats.age(since, now)


@register.filter
def words(text: str) -> list[str]:
    return text.split()


@register.filter
def css(name: str) -> str:
    """Where the style sheet of that name is, below the static files."""
    return f"css/{name}.css"


@register.filter
def js(name: str) -> str:
    return f"js/{name}.js"


@register.filter
def python(line: str) -> SafeString:
    """A line of Python with its strings and its import in colour."""
    parts = re.split(r'("[^"]*"|\bimport\b)', line)
    marked = (("text" if part.startswith('"') else "keyword" if part == "import" else "", part) for part in parts)
    return format_html_join("", '<span class="{}">{}</span>', marked)


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    return cells.icon(name, css)


@register.simple_tag
def glyph(name: str) -> SafeString:
    return cells.glyph(name)


@register.simple_tag
def pill(word: str, label: str = "") -> SafeString:
    return cells.pill(word, label)
