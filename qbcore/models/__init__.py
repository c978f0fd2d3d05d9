"""The farm's rows: columns, constraints and indexes, no behaviour.

Hot tables (work, attempt, placement, delta) carry no database foreign keys: a key check would lock the job row from
every report. `control` cleans up after itself and housekeeping checks.
"""

from qbcore.models.callbacks import CallbackRow, FiringRow, TermRow
from qbcore.models.hosts import (
    AttemptRow,
    CounterRow,
    ExclusionRow,
    GrantRow,
    HostRow,
    JoinTokenRow,
    ResourceRow,
    SampleRow,
    ThumbnailRow,
    TrackRow,
)
from qbcore.models.jobs import (
    ArchiveRow,
    DeltaRow,
    DependencyRow,
    JobRow,
    SubjobRow,
    SubmissionRow,
    WaitRow,
    Watch,
    WorkRow,
)
from qbcore.models.people import RoleRow, TokenRow
from qbcore.models.records import DutyRow, HistoryRow, RunRow, RunTargetRow, TotalRow, UndoRow

__all__ = [
    "ArchiveRow",
    "AttemptRow",
    "CallbackRow",
    "CounterRow",
    "DeltaRow",
    "DependencyRow",
    "DutyRow",
    "ExclusionRow",
    "FiringRow",
    "GrantRow",
    "HistoryRow",
    "HostRow",
    "JobRow",
    "JoinTokenRow",
    "ResourceRow",
    "RoleRow",
    "RunRow",
    "RunTargetRow",
    "SampleRow",
    "SubjobRow",
    "SubmissionRow",
    "TermRow",
    "ThumbnailRow",
    "TokenRow",
    "TotalRow",
    "TrackRow",
    "UndoRow",
    "WaitRow",
    "Watch",
    "WorkRow",
]
