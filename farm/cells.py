"""The looks of a cell: pill, bar, number, link. Each gives safe HTML without style attributes, which CSP forbids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from farm import bars, formats
from qbcore.states import Status, Tally, total

DASH = format_html('<span class="dash">{}</span>', formats.MISSING)
BAR_WIDTH, LARGE_WIDTH, LOAD_WIDTH, PERCENT_WIDTH = 124, 330, 96, 64
FAILED_LEAST = 3


@cache
def _sprite(path: str) -> str:
    return static(path)


def glyph(name: str) -> SafeString:
    """A status's own mark; the word stands beside it, so it is hidden from readers."""
    return format_html(
        '<svg class="glyph" aria-hidden="true"><use href="{}#{}"/></svg>', _sprite("img/glyphs.svg"), name
    )


def icon(name: str, css: str = "") -> SafeString:
    """A Lucide icon by its name."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>',
        css,
        _sprite("vendor/lucide/icons.svg"),
        name,
    )


def text(value: object) -> SafeString:
    """The value, or a dash when there is none."""
    return escape(value) if value not in ("", None) else DASH


def strong(value: object) -> SafeString:
    return format_html("<b>{}</b>", value) if value not in ("", None) else DASH


def link(label: str, address: str, *, sub: str = "") -> SafeString:
    """The name that a row goes by, with something muted behind it."""
    name = format_html('<a class="name" href="{}" title="{}">{}</a>', address, label, formats.middle_cut(label))
    return format_html('{}<span class="sub">{}</span>', name, sub) if sub else name


def mono(value: str) -> SafeString:
    return format_html('<span class="mono">{}</span>', value) if value else DASH


def doing(label: str, view: str, *args: object) -> SafeString:
    """A button of one row that leads to where it is asked for."""
    return format_html('<a class="button" href="{}">{}</a>', reverse(view, args=args), label)


def pill(word: str, label: str = "", *, large: bool = False, look: str = "") -> SafeString:
    """Glyph and word on a tint of the status; `look` names the status whose colours and glyph another word borrows."""
    css = f"pill {look or word}" + (" large" if large else "")
    return format_html('<span class="{}" data-status="{}">{}{}</span>', css, word, glyph(look or word), label or word)


def failing(count: int) -> SafeString:
    """The mark beside a live status: so many frames have failed already."""
    return format_html('<span class="failing" title="{} failed so far">{}{}</span>',
                       formats.count(count), glyph("failed"), formats.count(count))  # fmt: skip


def tally(counts: Tally) -> list[tuple[str, int]]:
    """Counts by word, in the order of every bar and legend."""
    return [(status.word, counts.get(status, 0)) for status in Status]


def spoken(counts: Tally) -> str:
    """What a bar says: '1,248 of 2,400 complete, 64 running, 412 failed, 676 other'."""
    named = {word: counts.get(Status.of(word), 0) for word in ("complete", "running", "failed")}
    whole = total(counts)
    rest = whole - sum(named.values())
    parts = [f"{formats.count(named['complete'])} of {formats.count(whole)} complete"]
    parts += [f"{formats.count(named[word])} {word}" for word in ("running", "failed") if named[word]]
    return ", ".join(parts + ([f"{formats.count(rest)} other"] if rest else []))


def progress(counts: Tally, *, width: int = BAR_WIDTH, large: bool = False) -> SafeString:
    """The bar of a job: failed stands above and below the track and is never thinner than 3 px."""
    return segments(tally(counts), label=spoken(counts), width=width, large=large)


def segments(
    counts: Sequence[tuple[str, int]], *, label: str, width: int = BAR_WIDTH, large: bool = False, filled: int = -1
) -> SafeString:
    """A bar of named parts that look as the status of their name; *filled* says how many pixels of it are used."""
    tall, low = (18, 12) if large else (14, 8)
    inset = (tall - low) // 2
    found = bars.parts(counts, width if filled < 0 else filled, least={"failed": FAILED_LEAST})
    drawn = mark_safe("".join(_segment(part, tall=tall, low=low) for part in found))
    track = format_html('<rect class="track" y="{}" width="{}" height="{}" rx="2"/>', inset, width, low)
    return format_html(
        '<svg class="bar" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
        'preserveAspectRatio="none"><title>{}</title>{}{}</svg>',
        label, width, tall, width, tall, label, track, drawn,
    )  # fmt: skip


def _segment(part: bars.Part, *, tall: int, low: int) -> str:
    """One part of a bar. Names are our own words and numbers are numbers: nothing here to escape."""
    if part.name == "failed":
        return f'<rect class="seg failed" x="{part.x}" width="{part.width}" height="{tall}"/>'
    y = (tall - low) // 2
    if part.name == "pending":
        box = f'x="{part.x + 0.5}" y="{y + 0.5}" width="{max(1, part.width - 1)}" height="{low - 1}"'
        return f'<rect class="seg pending" {box}/>'
    return f'<rect class="seg {part.name}" x="{part.x}" y="{y}" width="{part.width}" height="{low}"/>'


def load(part: float, whole: float, label: str, *, look: str = "load", width: int = LOAD_WIDTH) -> SafeString:
    """A thin bar of how much is taken, with the figures beside it."""
    return format_html(
        '<div class="barcell"><svg class="bar" aria-hidden="true" width="{}" height="6">'
        '<rect class="track" width="{}" height="6" rx="2"/><rect class="seg {}" width="{}" height="6" rx="2"/>'
        '</svg><span class="figures">{}</span></div>',
        width, width, look, bars.filled(part, whole, width), label,
    )  # fmt: skip


def percent(share: int | None) -> SafeString:
    """How far something is: a thin bar and the figure; a dash when nobody said."""
    return DASH if share is None else load(share, 100, f"{share} %", look="running", width=PERCENT_WIDTH)


def job_progress(counts: Tally) -> SafeString:
    """Bar, failed count when there is one, complete of all."""
    failed, whole, done = counts.get(Status.FAILED, 0), total(counts), counts.get(Status.COMPLETE, 0)
    mark = format_html('<span class="failing">{}{}</span>', glyph("failed"), formats.count(failed)) if failed else ""
    return format_html(
        '<div class="barcell" data-failed="{}" data-complete="{}" data-total="{}">{}'
        '<span class="figures">{}<span>{} / {}</span></span></div>',
        failed, done, whole, progress(counts), mark, formats.count(done), formats.count(whole),
    )  # fmt: skip


SPELT = frozenset({"complete", "running", "failed", "pending"})


def legend(counts: Tally) -> SafeString:
    """Every status that occurs, with glyph and number; the rarer without their word in sight."""
    shown = (
        (word, glyph(word), formats.count(count), "" if word in SPELT else "reader", word)
        for word, count in tally(counts)
        if count
    )
    return format_html_join(
        "", '<span class="figure tinted {0}" title="{4}">{1}<b>{2}</b><span class="{3}">{4}</span></span>', shown
    )
