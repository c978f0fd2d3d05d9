"""What is written for people is true: links, commands, versions, licences, and nothing left over in any file."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = {"var", "staticfiles", "__pycache__"}
VENDOR = ROOT / "static/vendor"
LOCKS = ("requirements.lock", "requirements-test.lock")

DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
MAKE = re.compile(r"(?:^\s*(?:\$ )?|`)make ([a-z][a-z-]*)", re.MULTILINE)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
MANAGE = re.compile(r"manage\.py ([a-z_]+)")

# Written in pieces, so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME"]) + r")\b")
REGISTRIES = re.compile(
    "|".join(
        rf"{name}\.{end}"
        for name, end in [("pypi", "org"), ("python" + "hosted", "org"), (r"npmjs", "org"), (r"deb\.debian", "org")]
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.~*])/(?:" + "|".join(["root", "work", "home/[a-z]"]) + r")/")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def is_ours(parts: tuple[str, ...]) -> bool:
    hidden = parts[0].startswith(".") and len(parts) > 1 and parts[0] != ".ci"
    return not hidden and not NOT_OURS.intersection(parts)


def our_texts() -> list[Path]:
    """Every text that we wrote: no caches, no vendored files, no recorded output of other programs."""
    found = [path for path in ROOT.rglob("*") if is_ours(path.relative_to(ROOT).parts)]
    theirs = (VENDOR, ROOT / "tests/data", *(ROOT / lock for lock in LOCKS), ROOT / "LICENSE")
    return sorted(path for path in found if path.is_file() and not any(path.is_relative_to(part) for part in theirs))


def project_version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    links = [link for link in LINK.findall(text_of(path)) if not re.match(r"[a-z]+:", link)]
    assert not [link for link in links if not (path.parent / link).exists()]


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_command_named_in_code_exists(path: Path) -> None:
    code = "\n".join(CODE.findall(text_of(path)))
    targets = set(re.findall(r"^([a-z-]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert not set(MAKE.findall(code)) - targets
    assert not [command for command in MANAGE.findall(code) if not is_command(command)]


def is_command(name: str) -> bool:
    django = {"check", "migrate", "makemigrations", "collectstatic", "createsuperuser", "changepassword", "shell"}
    return name in django or (ROOT / f"farm/management/commands/{name}.py").exists()


def test_make_help_lists_every_target() -> None:
    makefile = text_of(ROOT / "Makefile")
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    assert set(re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE)) == phony


def test_every_farm_command_that_make_starts_exists() -> None:
    assert not [command for command in MANAGE.findall(text_of(ROOT / "Makefile")) if not is_command(command)]


def test_the_changelog_has_this_version() -> None:
    headings = re.findall(r"^## (\S+)", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == project_version()


@pytest.mark.parametrize("path", our_texts(), ids=name_of)
def test_nothing_is_left_over_in_what_we_wrote(path: Path) -> None:
    text = text_of(path)
    assert not UNFINISHED.search(text), "finish it, or say plainly in the docs what does not work yet"
    assert not REGISTRIES.search(text), "where packages come from is the installer's business"
    assert not MACHINE_PATHS.search(text), "a path of one machine"


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text_of(ROOT / lock), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_addresses(lock: str) -> None:
    blocks = re.split(r"^(?=\S)", text_of(ROOT / lock), flags=re.MULTILINE)
    assert pins(lock)
    assert not [block for block in blocks if "==" in block and "--hash=sha256:" not in block]
    assert "://" not in text_of(ROOT / lock)


def test_tests_run_with_the_versions_that_the_farm_runs_with() -> None:
    assert pins(LOCKS[0]).items() <= pins(LOCKS[1]).items(), "run `make lock`"


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for lock, wanted in zip(
        LOCKS, (project["project"]["dependencies"], project["dependency-groups"]["test"]), strict=True
    ):
        names = {re.split(r"[\[~=<>! ]", line)[0].lower() for line in wanted}
        assert names <= {name.lower() for name in pins(lock)}, "run `make lock`"


LICENCES = re.compile(r"\b(0BSD|MIT|BSD(-[23]-Clause)?|Apache-2\.0|ISC|OFL-1\.1|CC0-1\.0)\b")


def vendored_rows() -> dict[str, list[str]]:
    """static/vendor/VERSIONS.md by folder: package, version, licence, files."""
    versions = VENDOR / "VERSIONS.md"
    lines = text_of(versions).splitlines() if versions.exists() else []
    rows = [[cell.strip(" `/") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {folder: cells for folder, *cells in rows}


def vendored_files() -> list[Path]:
    return [path for path in sorted(VENDOR.rglob("*")) if path.is_file() and path.name != "VERSIONS.md"]


@pytest.mark.parametrize("path", vendored_files(), ids=name_of)
def test_a_vendored_file_is_listed_with_version_and_licence(path: Path) -> None:
    folder, *rest = path.relative_to(VENDOR).parts
    _package, version, licence, files = vendored_rows()[folder]
    assert re.match(r"\d+(\.\d+)+$", version)
    assert LICENCES.search(licence)
    assert (VENDOR / folder / "LICENSE").exists(), "keep the licence's text beside the files"
    assert rest == ["LICENSE"] or path.name.replace(f"-{version}", "") in files


def test_every_vendored_package_that_is_listed_is_there() -> None:
    assert set(vendored_rows()) == {path.relative_to(VENDOR).parts[0] for path in vendored_files()}
