"""The group key of an error line: all that changes with frame, host, shot or run is replaced."""

from __future__ import annotations

import re
from collections.abc import Callable

from qbcore.signatures.weights import SHELL_REPORT, says_something

KEY_LIMIT = 240

IMAGES = "exr|png|jpe?g|tiff?|tga|dpx|hdr|bmp|webp|tx|tex|rat|pic|sgi|iff|ptex|cin"
MOVIES = "mov|mp4|mkv|avi|mxf|webm|m4v"
SCENES = "blend|ma|mb|hip(?:lc|nc)?|nk|c4d|max|pov|katana|ass|usd[acz]?|rib|vrscene|rs|ifd|mi|lxo|aep"
CACHES = "abc|vdb|obj|ply|fbx|bgeo|geo"
OTHERS = "json|xml|ini|conf|config|ocio|py|pyc|sh|txt|log|so|dll|exe|tmp|temp|zip|tar|gz|inc|lut|cube"
FIRST_SENTENCE = re.compile(r".{24,}?[.!?](?= [A-Z])|.*", re.DOTALL)
KINDS = (("<image>", IMAGES), ("<movie>", MOVIES), ("<scene>", SCENES))
ENDINGS = (
    ("<crash report>", re.compile(r"crash[\w.-]*\.(?:txt|log|dmp)$", re.IGNORECASE)),
    *((kind, re.compile(rf"\.(?:{endings})\b[^/\\]*$", re.IGNORECASE)) for kind, endings in KINDS),
)

SHELL_PLACE = re.compile(r"^(?:[\w./~-]*sh|\S*[/\\]\S+|\S+\.\w+): (?:line \d+: )(?:\d+ )?")
QUOTED = re.compile(r"(?<!\w)(?:'([^'\n]+)'|\"([^\"\n]+)\"|[`‘]([^'’\n]+)['’]|“([^”\n]+)”|@([^@\s]+)@)(?!\w)")
# The missing thing itself is the cause here, and its name says which.
NAMED_CAUSE = re.compile(r"\b(?:module named|command) $", re.IGNORECASE)
PATH = re.compile(
    r"(?<![\w<])(?:[A-Za-z]:(?=[/\\])|~|\$\w+|\.{1,2})?(?:[/\\]+[^\s'\"/\\:,;<>()|]+)+[/\\]?"
    r"|(?<![\w<])[\w.$%#@-]+(?:[/\\][^\s'\"/\\:,;<>()|]+)+"
    rf"|(?<![\w<./\\])[\w$%#@.-]+\.(?:{IMAGES}|{MOVIES}|{SCENES}|{CACHES}|{OTHERS})\b(?![\w(])",
    re.IGNORECASE,
)


def _kind(path: str) -> str:
    return next((kind for kind, ending in ENDINGS if ending.search(path)), "<file>")


def _number(match: re.Match[str]) -> str:
    """The number of an error is its name; all others change from frame to frame."""
    return match["name"] or "<n>"


PLAIN_MASKS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE), "<url>"),
    (PATH, lambda match: _kind(match[0])),
    (re.compile(r"<file> (<(?:file|image|movie|scene)>)"), r"\1"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?)?|\b\d\d:\d\d:\d\d(?:[.,]\d+)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<addr>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b"), "<id>"),
    (
        re.compile(r"(?P<name>\b(?:errno|error|code|signal|status)[ :=#]*-?\d[\d,]*)|\d+(?:[.,]\d+)*", re.IGNORECASE),
        _number,
    ),
    (re.compile(r"(<\w+>)(?:(?:, ?| )\1)+"), r"\1"),
    (re.compile(r"\s+"), " "),
)


def key_of(text: str) -> str:
    """The group key of an error line: what differs between frames, hosts, shots and runs is replaced."""
    report = SHELL_REPORT.fullmatch(text)
    if report:
        return " ".join(filter(None, report.groups()))
    text = SHELL_PLACE.sub("", text)
    text = _mask_plain(QUOTED.sub(_mask_quoted, text))
    # What follows a whole sentence is advice or detail.
    return FIRST_SENTENCE.match(text)[0][:KEY_LIMIT]  # type: ignore[index]


def _mask_quoted(match: re.Match[str]) -> str:
    """A quoted path by its kind, a quoted sentence by its own masks, a quoted word as a name."""
    content = next(group for group in match.groups() if group is not None)
    if NAMED_CAUSE.search(match.string[: match.start()]):
        return content
    if re.match(r"[/\\~$.]|[A-Za-z]:[/\\]", content) or PATH.fullmatch(content):
        return _kind(content)
    return _mask_plain(QUOTED.sub(_mask_quoted, content)) if says_something(content) else "<name>"


def _mask_plain(text: str) -> str:
    for rule, placeholder in PLAIN_MASKS:
        text = rule.sub(placeholder, text)
    return text.strip()
