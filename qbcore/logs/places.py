"""Where logs lie: one file per grant and stream, in a folder per job; a thousand jobs share a folder above it.

The plain file is written while the grant lives. Later it is packed into `.zst`; what comes after that waits in `.late`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from qbcore.errors import NotFound
from qbcore.models import GrantRow

STREAMS = ("out", "err")
KINDS = (*STREAMS, "marks")
"""What a worker sends of a grant: both streams, and when which of them grew (see `marks`)."""
PACKED, GONE = "packed", "gone"
"""What `GrantRow.logs` says of a grant whose files were looked after; empty: they are as they came."""


class Gone(NotFound):
    """Nobody wants these bytes any more: the job of this log was removed, or its logs were. Forget them."""

    code = "gone"
    status = 410


def root() -> Path:
    return Path(settings.FARM_DATA) / "logs"


def folder(job: int) -> Path:
    """Where a job's logs lie."""
    return root() / f"{job // 1000:06d}" / str(job)


def path(job: int, subjob: int, grant: int, stream: str) -> Path:
    return folder(job) / f"{subjob}.{grant}.{stream}"


def packed_path(file: Path) -> Path:
    return file.with_name(f"{file.name}.zst")


def late_path(file: Path) -> Path:
    return file.with_name(f"{file.name}.late")


@lru_cache(maxsize=4096)
def place(grant: int) -> tuple[int, int, int]:
    """Job, subjob and host of a grant: they never change."""
    row = GrantRow.objects.filter(pk=grant).first()
    if row is None:
        raise Gone(f"there is no grant {grant}")
    return row.job_id, row.idx, row.host_id
