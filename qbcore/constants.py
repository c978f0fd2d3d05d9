"""Numbers that scripts rely on: statuses, job flags, archive formats. Plain ints and dicts."""

from __future__ import annotations

from qbcore.errors import Invalid

QB_API_BINARY = 1
QB_API_XML = 2
QB_TIME_EPOCH_OFFSET = 946702800  # what a time that never happened reads as, unix seconds
QB_CLIENT_DEFAULT_CONF = "/etc/qb.conf"

STATUS_NUMBERS: dict[str, int] = {
    "complete": 16,
    "failed": 32,
    "killed": 48,
    "dying": 261,
    "registering": 265,
    "blocked": 272,
    "waiting": 288,
    "suspended": 304,
    "pending": 320,
    "badlogin": 325,
    "running": 336,
}

# The keys that cpustally and todotally always have.
TALLY_STATUSES: tuple[str, ...] = (
    "complete", "failed", "killed", "blocked", "waiting", "suspended", "pending", "running", "unknown", "badlogin",
)  # fmt: skip

FLAGS: dict[str, int] = {
    "uninterruptible": 1,
    "grid": 4,
    "auto_mount": 8,
    "export_environment": 16,
    "expand": 32,
    "host_list": 256,
    "elite": 512,
    "mail": 1024,
    "disable_cpu_limit": 4096,
    "disable_auto_complete": 8192,
    "auto_wrangling": 16384,
    "p_agenda": 32768,
    "migrate_on_frame_retry": 65536,
    "convert_path": 131072,
    "no_defaults": 524288,
}

_LARGEST_FLAGS = 2**31 - 1


def flags_number(value: int | str | None) -> int:
    """Flags as one number, from a number, a number as text, or comma-separated names; None and '' are 0.

    Raises Invalid (field 'flags') for a name that is not known or a number that is no set of flags.
    """
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Invalid(f"{type(value).__name__} is no set of flags", field="flags", hint=_hint())
    if isinstance(value, int):
        return _bounded(value)
    number = 0
    for word in filter(None, (part.strip().lower() for part in value.split(","))):
        number |= _flag(word)
    return number


def flags_text(number: int) -> str:
    """Flags as comma-separated names, lowest bit first; bits without a name follow as one number."""
    names = [name for name, bit in FLAGS.items() if number & bit]
    rest = number & ~sum(FLAGS.values())
    return ",".join([*names, str(rest)] if rest else names)


def _flag(word: str) -> int:
    if word.isascii() and word.isdigit() and len(word) <= 10:
        return _bounded(int(word))
    if word not in FLAGS:
        raise Invalid(f"there is no flag named '{word[:60]}'", field="flags", hint=_hint())
    return FLAGS[word]


def _bounded(number: int) -> int:
    if not 0 <= number <= _LARGEST_FLAGS:
        raise Invalid("this number is no set of flags", field="flags", hint=_hint())
    return number


def _hint() -> str:
    return f"Write a number from 0 to {_LARGEST_FLAGS} or names out of: {', '.join(FLAGS)}."
