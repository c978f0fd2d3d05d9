"""`python -m qbcore.worker`: the worker without Django."""

from __future__ import annotations

import sys

from qbcore.worker.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
