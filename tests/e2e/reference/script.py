"""Every example against one farm, in a process that has qb and nothing that was installed; one line of JSON each."""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback

from tests.e2e.reference.checks import CHECKS
from tests.e2e.reference.pages import pages
from tests.e2e.reference.showing import show


def main() -> None:
    assert importlib.util.find_spec("django") is None
    examples = pages()
    for page, check in CHECKS.items():
        try:
            told = {"page": page, "answer": show(examples[page], check)}
        except Exception:
            told = {"page": page, "error": traceback.format_exc(limit=-4)}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


main()
