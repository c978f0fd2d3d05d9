"""How much one line of a log tells about the cause of a failure."""

from __future__ import annotations

import re

# A line under STRONG is shown only if there is nothing better.
CRASH, RESOURCE, EXCEPTION, MISSING, TYPED, FAILURE, CRASH_FILE, STRONG, FOLLOWS, CALM = 10, 9, 8, 7, 6, 5, 4, 3, 2, 0


def pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
LOCATION = re.compile(r"File '[^']*' line \d+: |\S+:\d+(?::\d+)?: ")

ALWAYS_PROGRESS = pattern(r"^Fra:\d", r"^frame=\s*\d", r"^=+ ?\[.*\] ?=+$")
PROGRESS = pattern(
    r"\b\d{1,3}(?:\.\d+)?\s?%",
    r"\b(?:sample|tile|frame|bucket|layer|pass)s?:? +\d+ ?(?:/|of) ?\d+",
    r"^(?:saved|writing|wrote):? ",
    r"\brender(?:ing)? (?:done|frame|started|complete)",
)

CALM_TAG = pattern(
    r"^(?:\[?(?:info|debug|trace|verbose|note|warn|warning)\b)",
    r"\bwarning\b\s*[:|(\]]",
    r"\b0 errors?\b",
    r"^\s+at \S+\(",
)
AFTERMATH = pattern(
    r"\bscript failed\b",
    r"^(?:the )?(?:render|conversion|job|task|command|build)(?:ing)? (?:has )?failed\W*$",
    r"\bexit(?:ed|ing)?\b.*\b(?:status|code)\b",
    r"\breturned non-?zero\b",
    r"\bprocess (?:returned|exited)\b",
    r"\bdue to previous errors?\b",
    r"\berror (?:writing trailer|closing file)\b",
    r"\bno images defined\b",
    r"\bcheck the log\b",
    r"\bnumber of errors\b",
    r"\bnot freed memory\b",
    r"\binvalid data found when processing\b",
    r"\blast message repeated\b",
    r"\banother exception occurred\b",
    r"\bdirect cause of the following\b",
    r"\brefer to the\b",
    r"\bcannot parse input\b",
    r"\berror report\b",
    r"\bstack ?trace\b",
    TRACEBACK.pattern,
)
# A shell telling how its child ended: the child's own words say more.
SHELL_REPORT = re.compile(
    r"(?:\S+: )?(?:line \d+:\s+)?(?:\d+ )?(Killed|Terminated|Aborted|Segmentation fault|Bus error|Illegal instruction)"
    r"(?: \(core dumped\))?(?:\s{2,}(\S+).*)?$"
)
WEIGHTS = (
    (
        CRASH,
        pattern(
            r"segmentation fault",
            r"(?-i:\bEXCEPTION_[A-Z]{3})",
            r"access violation",
            r"fatal python error",
            r"\bterminate called\b",
            r"^\s*what\(\):",
            r"\boom[ _-]?kill",
            r"\bcore dumped\b",
            r"\bbus error\b",
            r"\billegal instruction\b",
            r"\bassert(?:ion)?\b.*\bfailed\b",
            r"\bSIG(?:SEGV|ABRT|BUS|ILL|FPE)\b",
        ),
    ),
    (
        RESOURCE,
        pattern(
            r"no space left",
            r"\bquota exceeded\b",
            r"read-only file ?system",
            r"permission denied",
            r"\baccess (?:is )?denied\b",
            r"operation not permitted",
            r"stale (?:nfs )?file handle",
            r"out of (?:\w+ )?memory",
            r"bad_alloc|\bMemoryError\b|cannot allocate memory|insufficient memory|memory allocation (?:error|fail)",
            r"\b[mc]alloc returns null\b",
            r"licen[cs]e\b.*\b(?:not found|fail|denied|expired|unavailable|not available|no more|all .* in use)",
            r"\bno (?:valid |free |available )?licen[cs]e",
            r"\b(?:could not|cannot|can't|unable to|failed to) (?:get|obtain|acquire|check ?out)\b.{0,20}\blicen[cs]e",
            r"\b(?:due to|exceeded|reached|over) .{0,9}\btime limit\b|\btime limit (?:exceeded|reached|expired)\b",
            r"\btimed out\b|\btimeout (?:expired|exceeded|reached)\b|\bsending signal \w+ to\b",
        ),
    ),
    (
        EXCEPTION,
        pattern(r"\bcommand not found\b", r"\bno module named\b", r"not recognized as an internal or external"),
    ),
    (
        MISSING,
        pattern(
            r"no such (?:file|device|host)",
            r"\bdoes ?n[o']t exist\b",
            r"\bnot found\b",
            r"\b(?:can ?not|can't|could ?n[o']t|couldn't|unable to|failed to|fail to)\b",
            r"\berror (?:while )?(?:reading|loading|opening|writing|parsing|decoding)\b",
            r"\bunknown [\w ]+['\"`]",
            r"\bunsupported\b|\bnot supported\b|\bsupported only\b",
            r"\bis not an? \w+ file\b",
            r"\bis missing\b|\bcorrupt|\btruncated\b|\bunexpected end\b|\bmismatch",
            r"input/output error|connection (?:refused|reset)",
        ),
    ),
    (TYPED, pattern(r"^[\w.]+(?:Error|Exception): ", r"\bfatal\b")),
    (
        FAILURE,
        pattern(
            r"error\b",
            r"exception\b",
            r"\bfailed\b",
            r"\bfailure\b",
            r"\babort(?:ed|ing)?\b",
            r"\bpanic\b",
            r"\bcritical\b",
        ),
    ),
    (CRASH_FILE, pattern(r"\bcrash[\w.-]*\.(?:txt|log|dmp)\b", r"\bcrash (?:log|report|dump)\b")),
)
# A part of a library says what it met; whether that ends the program, the program says itself.
COMPONENT = re.compile(r"\[[\w,]+ @ 0x[0-9a-f]+\] ")
ERROR_TAG = re.compile(r"\W?(?:[\w./()-]+:?\s+){0,3}(?:error|fatal|critical|severe)\b\W", re.IGNORECASE)
NAMES_SOMETHING = re.compile(r"(?<!\w)['\"`‘“@][^'\"`]+['\"’”@]|(?:^|[\s(])(?:[A-Za-z]:)?[\w.$-]*[/\\][\w.$-]")


DEATH = re.compile(
    rf"{WEIGHTS[0][1].pattern}|\bfatal\b|{WEIGHTS[-1][1].pattern}|\b(?:Killed|Terminated|Aborted)\b", re.IGNORECASE
)


def weigh(text: str, *, raised: bool) -> int:
    """How much a line tells about the cause of a failure; 0 is nothing."""
    if CALM_TAG.search(text) or ALWAYS_PROGRESS.search(text):
        return CALM
    if AFTERMATH.search(text):
        return FOLLOWS
    if SHELL_REPORT.fullmatch(text):
        return STRONG
    weight = next((weight for weight, rule in WEIGHTS if rule.search(text)), CALM)
    if raised:
        return max(weight, EXCEPTION) + 1
    if weight <= CRASH_FILE:
        return weight
    place = LOCATION.match(text)
    message = text[place.end() :] if place else text
    detail = bool(ERROR_TAG.match(message)) + bool(NAMES_SOMETHING.search(message))
    return weight + detail - (2 if COMPONENT.match(text) else 0)


def says_something(text: str) -> bool:
    """Whether a text is a message, not just a name."""
    return " " in text and any(rule.search(text) for _weight, rule in WEIGHTS)


def is_progress(text: str, weight: int) -> bool:
    """Whether a line shows that the renderer went on."""
    return bool(ALWAYS_PROGRESS.search(text) or (weight < FOLLOWS and PROGRESS.search(text)))


def is_deadly(text: str) -> bool:
    """Whether the line tells of a program that died, rather than of one that gave up."""
    return bool(DEATH.search(text))
