"""The user's tokens: an INI file with one section per supervisor URL, readable by its owner only.

    [http://127.0.0.1:8000]
    token = qbu_...
    default = yes

A token is handed out only for the supervisor of its section. Loopback names are one supervisor.
"""

from __future__ import annotations

import configparser
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from qbcore.errors import Invalid, Unauthorized
from qbcore.remote.address import Address, parse_address

_VISIBLE = re.compile(r"[!-~]+")


class _Sections(configparser.RawConfigParser):
    """Section names are URLs, in which an IPv6 host stands in brackets of its own."""

    SECTCRE = re.compile(r"\[(?P<header>.+)\]")


def credentials_path() -> Path:
    """`$XDG_CONFIG_HOME/qb/credentials`, or the same under ~/.config; a relative XDG_CONFIG_HOME does not count."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(given) if Path(given).is_absolute() else Path("~/.config").expanduser()
    return folder / "qb" / "credentials"


def path_in_use() -> Path:
    """The file that tokens are read from: the one that QB_CREDENTIALS names, else the user's own."""
    return Path(_named()).expanduser() if _named() else credentials_path()


def _named() -> str:
    return os.environ.get("QB_CREDENTIALS", "").strip()


def token_for(address: Address, *, as_attempt: bool = False) -> tuple[str, str]:
    """The token to send to that supervisor, and in words where it came from; ('', '') when there is none.

    QB_TOKEN wins over the user's credentials: in a job's process it is the token of its own attempt. Over both wins
    the file that QB_CREDENTIALS names, except *as_attempt*: what a process asks as the attempt that it is.
    """
    given = os.environ.get("QB_TOKEN", "").strip()
    if given and (as_attempt or not _named()):
        return _checked(given, "QB_TOKEN"), "QB_TOKEN"
    path = path_in_use()
    sections = _read(path)
    name = _section_of(sections, address)
    token = sections.get(name, "token", fallback="").strip() if name else ""
    return (_checked(token, str(path)), f"{path}, section [{name}]") if token else ("", "")


def default_address() -> Address | None:
    """The supervisor whose section is marked `default = yes`."""
    sections = _read(path_in_use())
    marked = (name for name in sections.sections() if _is_default(sections, name))
    name = next(marked, "")
    return parse_address(name) if name else None


def write_credentials(url: str, token: str, *, default: bool = True) -> Path:
    """Keeps the token for that supervisor and returns the file's path; sections of other supervisors stay.

    The file (0600, in a folder of 0700) is replaced in one step. `default` makes it the supervisor that scripts ask
    when QB_SUPERVISOR is not set. Raises Invalid for a malformed URL or file, OSError when it cannot be written.
    """
    address = parse_address(url)
    path = credentials_path()
    sections = _read(path)
    name = _section_of(sections, address) or address.url
    if not sections.has_section(name):
        sections.add_section(name)
    sections.set(name, "token", _checked(token, "token"))
    if default:
        _mark_default(sections, name)
    _replace(path, sections)
    return path


def _read(path: Path) -> _Sections:
    sections = _Sections(default_section="", comment_prefixes=("#", ";"))
    try:
        sections.read_string(path.read_text(encoding="utf-8"), str(path))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise Unauthorized(f"the credentials in {path} cannot be read: {error.strerror}") from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is malformed: {error}", hint="Mend it or remove it.") from error
    return sections


def _section_of(sections: _Sections, address: Address) -> str:
    """The section of that supervisor, however its loopback is called there; '' when it has none."""
    for name in sections.sections():
        with suppress(Invalid):  # a section that is no address belongs to no supervisor
            if parse_address(name).key == address.key:
                return name
    return ""


def _is_default(sections: _Sections, name: str) -> bool:
    return sections.get(name, "default", fallback="").strip().lower() in ("yes", "true", "on", "1")


def _mark_default(sections: _Sections, chosen: str) -> None:
    for name in sections.sections():
        sections.remove_option(name, "default")
    sections.set(chosen, "default", "yes")


def _replace(path: Path, sections: _Sections) -> None:
    """Writes beside the file (through a link, beside what it points to) and renames: no reader sees half of it."""
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.parent.chmod(0o700)
    handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=".credentials-")  # made with 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            sections.write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _checked(token: str, source: str) -> str:
    if not _VISIBLE.fullmatch(token):
        raise Unauthorized(f"the token from {source} holds characters that no token has: copy it again")
    return token
