"""The examples of the API's reference, word for word, page by page in its order."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).with_name("examples.txt")
_INDENT = "    "


def pages() -> dict[str, str]:
    """Each page's example by the page's name. The second page of one name is `name again`."""
    found: dict[str, list[str]] = {}
    page = ""
    for line in EXAMPLES.read_text().splitlines():
        if line.startswith(_INDENT):
            found[page].append(line.removeprefix(_INDENT))
        else:
            name = line.removeprefix("qb.")
            page = f"{name} again" if name in found else name
            found[page] = []
    return {page: "\n".join(lines) for page, lines in found.items()}


def runnable(example: str) -> str:
    """The example as Python: the reference prints the one line of a block without its indentation."""
    lines = example.splitlines()
    inside = [False, *(line.endswith(":") for line in lines)]
    return "\n".join(f"{_INDENT}{line}" if indented else line for line, indented in zip(lines, inside, strict=False))


NAMES = (
    *("QBObject", "Subjob", "Work", "Host", "Job", "archivejob", "bannedworkers", "block", "blockwork", "bottom"),
    *("Callback", "genchunks", "genframes", "genpartitions", "hist", "hostinfo", "hostorder", "JobTallyValidator"),
    *("JobValidator", "kill", "killwork", "migrate", "modify", "preempt", "rangechunk", "rangejoin", "rangeorder"),
    *("rangesplit", "remove", "requeue", "requeuework", "resource", "resume", "retry", "retrywork", "stderr"),
    *("stdout", "submit", "submitcallback", "suspend", "top", "unblock", "ping", "info", "jobinfo", "joborder"),
    *("log", "ping again", "version", "workerinfo", "workorder"),
)
"""Every page that describes a class or a function."""
CUT_OFF = frozenset({"unblock"})
"""The pages that end before their example."""
