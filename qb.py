"""The render farm's API for scripts. The first one:

    import qb, time
    job = qb.submit({"prototype": "cmdrange", "package": {"range": "1-24", "cmdline": "echo frame QB_FRAME_NUMBER"}})[0]
    while qb.jobinfo(id=job["id"])[0]["status"] not in ("complete", "failed", "killed"):
        time.sleep(1)
    for row in qb.stdout(job["id"]):
        print(row["data"])

Which farm: QB_SUPERVISOR (name, name:port or URL), else the one that `make run` started. `help(qb.submit)` and so on.
"""

from qbcore.surface import *  # noqa: F403 - the one re-export; the list of names is surface.__all__
from qbcore.surface import __all__ as __all__

if __name__ == "__main__":  # python -m qb
    import sys

    from qbcore.cli.main import main

    sys.exit(main())
