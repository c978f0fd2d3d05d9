"""The laws of docs/architecture.md that a test can hold: who imports whom, who writes a status, how big a room gets."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Reading order of qbcore: a room imports only rooms above it. A room is a file or a folder of that name.
CLIENT_WORDS = ("errors", "constants", "ids", "objects", "ranges", "validators", "archive", "remote", "surface", "cli")
SERVER_WORDS = (
    *("states", "values", "conditions", "grammar", "expressions", "reservations", "clusters", "hostorder"),
    *("triggers", "signatures", "spans", "coverage", "paths", "commands", "calendars", "candidates", "plan", "words"),
    *("shortlists", "pool", "fields", "renderlines", "jobspec", "callbackspec"),
)
ROWS = ("models", "migrations", "prepared", "writing")
NEWS = ("acting", "events", "errands")
DOORS = (
    *("permissions", "history", "tokens", "locks", "listing", "views", "reasons", "queries", "diskspace", "logs"),
    *("progress", "thumbnails"),
    *("control", "filling", "positions", "links", "callbacks", "folding", "failures", "verbs", "precedence"),
    *("dependencies", "alike", "submission", "archiving", "hostfacts", "returning", "signs", "hosts", "samples"),
    *("wrangling", "looping", "hostcare", "draining", "resources", "waiting", "rousing", "orders", "preference"),
    *("dispatch", "requests", "backend", "runs", "firings", "logkeeping", "measures", "restoring", "housekeeping"),
    *("seeding",),
)
EDGES = ("qb", "tasks", "apps", "admin", "worker")
ORDER = (*CLIENT_WORDS, *SERVER_WORDS, *ROWS, *NEWS, *DOORS, *EDGES)

STATUS_WRITERS = {"control", "folding"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 40

# path or path::name -> the reason why the limit is not kept there
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
IMPORTS_INSIDE: dict[str, str] = {
    "qbcore/apps.py::ready": "Django loads apps before models; what ready() connects cannot be imported at the top",
    "farm/apps.py::ready": "Django loads apps before models; what ready() connects cannot be imported at the top",
}

NOT_OURS = {".git", ".venv", "__pycache__", "var", "staticfiles", "node_modules"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*patterns: str) -> list[Path]:
    """Files of the project, caches and vendored folders left out."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    kept = [path for path in found if not NOT_OURS.intersection(path.relative_to(ROOT).parts)]
    return sorted(path for path in kept if not any(part.endswith("_cache") for part in path.parts))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(path: Path) -> str:
    return Path(path.relative_to(ROOT / "qbcore").parts[0]).stem


def imports(path: Path) -> Iterator[str]:
    """Full dotted names, also those imported for type checkers only: `from a import b` gives a.b."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: write the import in full (no leading dots)"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


SOURCES = files("qb.py", "manage.py", "qbcore/**/*.py", "farm/**/*.py")
HAND_WRITTEN = [path for path in SOURCES if "migrations" not in path.parts]
CORE = [path for path in files("qbcore/**/*.py") if path != ROOT / "qbcore/__init__.py"]
SITE = files("farm/**/*.py")
CLIENT_FILES = [path for path in CORE if room_of(path) in CLIENT_WORDS] + files("qb.py")
EVERY_PYTHON = [*HAND_WRITTEN, *files("tests/**/*.py", "bench/**/*.py", "bench/run", "docs/**/*.py")]


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=name_of)


def qbcore_imports(path: Path) -> set[str]:
    """The rooms of qbcore that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("qbcore.")}


def test_the_core_starts_without_loading_anything() -> None:
    assert (ROOT / "qbcore/__init__.py").read_text() == "", "qbcore/__init__.py stays empty: models load too early"


@each(CORE)
def test_every_room_of_the_core_has_its_place_in_the_order(path: Path) -> None:
    assert room_of(path) in ORDER, f"{name_of(path)}: add it to the order in tests/test_architecture.py"


@each([path for path in CORE if room_of(path) in ORDER])
def test_a_room_imports_only_rooms_above_it(path: Path) -> None:
    above = set(ORDER[: ORDER.index(room_of(path)) + 1])
    assert qbcore_imports(path) <= above, f"{name_of(path)} imports rooms below it"


@each(CORE)
def test_the_core_does_not_know_the_site(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] == "farm"]


@each(SITE)
def test_the_site_uses_the_doors_and_never_the_rows(path: Path) -> None:
    assert not qbcore_imports(path) & {"models", "migrations"}, f"{name_of(path)}: ask a door of qbcore instead"


@each([path for path in CORE if room_of(path) == "worker"])
def test_the_worker_speaks_http_and_knows_only_words(path: Path) -> None:
    assert qbcore_imports(path) <= {*CLIENT_WORDS, *SERVER_WORDS, "worker"}


def third_party(path: Path) -> set[str]:
    """Top-level packages that are neither the standard library nor ours."""
    return {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - {"qbcore", "qb", "farm"}


@each([path for path in CORE if room_of(path) in SERVER_WORDS])
def test_server_words_are_pure(path: Path) -> None:
    assert third_party(path) <= {"lark", "re2"}
    clocks = {"time", "asyncio", "socket", "subprocess", "random", "threading"}
    assert not clocks & {name.split(".")[0] for name in imports(path)}, "words are told the time and never ask"


@each(CLIENT_FILES)
def test_client_words_need_only_the_standard_library(path: Path) -> None:
    assert not third_party(path)
    assert qbcore_imports(path) <= set(CLIENT_WORDS)


@each(CLIENT_FILES)
def test_client_words_are_written_for_python_3_9(path: Path) -> None:
    rules = ["--isolated", "--no-cache", "--target-version", "py39", "--select", "E9,FA102"]
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, str(path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert not list(newer_than_3_9(path))


NEW_NAMES = {
    *("itertools.pairwise", "datetime.UTC", "enum.StrEnum", "contextlib.chdir", "contextlib.aclosing"),
    *("hashlib.file_digest", "tomllib", "types.NoneType", "types.UnionType", "inspect.get_annotations"),
    *(f"typing.{name}" for name in ("Self", "TypeAlias", "ParamSpec", "Never", "NotRequired", "TypeGuard", "override")),
}
NEW_KEYWORDS = {"dataclass": {"slots", "kw_only"}, "zip": {"strict"}, "field": {"kw_only"}}
NEW_BUILTINS = {"anext", "aiter", "ExceptionGroup", "BaseExceptionGroup"}


def newer_than_3_9(path: Path) -> Iterator[str]:
    """What a parser for 3.9 accepts and 3.9 then cannot run, as far as it has names."""
    yield from NEW_NAMES.intersection(imports(path))
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and f"{ast.unparse(node.value)}.{node.attr}" in NEW_NAMES:
            yield ast.unparse(node)
        elif isinstance(node, ast.Name) and node.id in NEW_BUILTINS:
            yield node.id
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")[-1]
            yield from NEW_KEYWORDS.get(called, set()).intersection(keyword.arg or "" for keyword in node.keywords)


def test_client_words_load_where_no_package_is_installed() -> None:
    names = [module_of(path) for path in CLIENT_FILES]
    load = f"import importlib, sys; sys.path.insert(0, {str(ROOT)!r}); [importlib.import_module(n) for n in {names!r}]"
    foreign = sysconfig.get_path("purelib")
    check = f"{load}; assert {foreign!r} not in sys.path; assert not {{'django', 'psutil', 'lark'}} & set(sys.modules)"
    run = subprocess.run([sys.executable, "-I", "-S", "-c", check], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {module_of(path): path for path in SOURCES}
    graph = {
        module: {target for name in imports(path) for target in (name, name.rpartition(".")[0]) if target in modules}
        for module, path in modules.items()
    }
    try:
        TopologicalSorter({module: targets - {module} for module, targets in graph.items()}).prepare()
    except CycleError as circle:
        pytest.fail(f"these import each other: {' -> '.join(circle.args[1])}")


@each(HAND_WRITTEN)
def test_imports_stand_at_the_top(path: Path) -> None:
    inside = [
        f"{name_of(path)}::{function.name}"
        for function in functions(path)
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))
    ]
    assert not set(inside) - set(IMPORTS_INSIDE)


@each(EVERY_PYTHON)
def test_no_file_has_a_name_that_could_hold_anything(path: Path) -> None:
    assert not VAGUE_NAMES & {Path(part).stem for part in path.relative_to(ROOT).parts}


@each(EVERY_PYTHON)
def test_a_file_stays_small(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_FILE_LINES or name_of(path) in LONG_FILES, f"{lines} lines: split it by noun"


def length(function: Function) -> int:
    """Lines of a function without decorators and docstring."""
    body = function.body
    docstring = ast.get_docstring(function, clean=False) is not None
    spoken = (body[0].end_lineno or 0) - body[0].lineno + 1 if docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - spoken


@each(EVERY_PYTHON)
def test_a_function_stays_small(path: Path) -> None:
    long = {f"{name_of(path)}::{function.name}": length(function) for function in functions(path)}
    assert not {
        name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES and name not in LONG_FUNCTIONS
    }


def test_every_exemption_has_a_reason_and_something_to_exempt() -> None:
    for name, reason in {**LONG_FILES, **LONG_FUNCTIONS}.items():
        assert reason.strip() and (ROOT / name.split("::")[0]).exists(), f"{name} is not there any more"


def row_classes() -> set[str]:
    models = files("qbcore/models.py", "qbcore/models/*.py")
    return {node.name for path in models for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)}


WRITING_CALLS = {"update", "aupdate", "create", "acreate", "get_or_create", "update_or_create"}
SETS_STATUS = re.compile(
    r"\bupdate\s+\S+(?:\s+(?:as\s+)?(?!set\b)\w+)?\s+set\s(?:(?!\b(?:where|from|returning)\b).)*?\bstatus\s*="
    r"|\binsert\s+into\s+\S+\s*\([^)]*\bstatus\b",
    re.IGNORECASE | re.DOTALL,
)


def written_text(node: ast.AST) -> str:
    """The text of a string or f-string, each placeholder as x."""
    if isinstance(node, ast.JoinedStr):
        return "".join(written_text(value) if isinstance(value, ast.Constant) else "x" for value in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def calls_with_status(call: ast.Call, rows: set[str]) -> bool:
    called = ast.unparse(call.func).split(".")[-1]
    if called == "bulk_update":
        return "status" in {written_text(node) for node in ast.walk(call)}
    writes = called in rows or (called in WRITING_CALLS and isinstance(call.func, ast.Attribute))
    return writes and any(keyword.arg == "status" for keyword in call.keywords)


def writes_status(node: ast.AST, rows: set[str]) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Attribute) and target.attr == "status" for target in node.targets)
    if isinstance(node, ast.Call):
        return calls_with_status(node, rows)
    return bool(SETS_STATUS.search(written_text(node)))


def status_writes(module: ast.AST, rows: set[str]) -> list[int]:
    """Lines that write a status: through the ORM, on a row in hand, or in SQL."""
    return [node.lineno for node in ast.walk(module) if hasattr(node, "lineno") and writes_status(node, rows)]


@each([path for path in CORE if room_of(path) not in {*STATUS_WRITERS, "models", "migrations", *CLIENT_WORDS}] + SITE)
def test_only_control_and_folding_write_a_status(path: Path) -> None:
    lines = status_writes(tree(path), row_classes())
    assert not lines, f"{name_of(path)} writes a status on lines {lines}: call control instead"


@pytest.mark.parametrize(
    ("source", "writes"),
    [
        ("JobRow.objects.filter(id=1).update(status=2)", True),
        ("WorkRow(status=2)", True),
        ("row.status = 2", True),
        ("WorkRow.objects.bulk_update(rows, ['status'])", True),
        ("'UPDATE work w SET updated = 1, status = %s WHERE id = 1'", True),
        ("f'UPDATE {table} SET status={value}'", True),
        ("'INSERT INTO work (job_id, status) SELECT 1, 2'", True),
        ("JobRow.objects.filter(status=2).update(priority=1)", False),
        ("Work(status=row.status)", False),
        ("'UPDATE work SET updated = 1 WHERE status = %s'", False),
        ("'UPDATE work SET updated = 1 FROM rep WHERE work.status = 2 RETURNING status'", False),
    ],
)
def test_the_check_for_status_writes_knows_a_write_from_a_read(source: str, writes: bool) -> None:
    assert bool(status_writes(ast.parse(source), {"JobRow", "WorkRow"})) is writes
