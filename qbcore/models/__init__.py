"""The farm's rows: columns, constraints and indexes, no behaviour.

Hot tables (work, attempt, placement, delta) carry no database foreign keys: a key check would lock the job row from
every report. `control` cleans up after itself and housekeeping checks.
"""

from qbcore.models.hosts import AttemptRow, CounterRow, GrantRow, HostRow, JoinTokenRow
from qbcore.models.jobs import ArchiveRow, DeltaRow, DependencyRow, JobRow, SubjobRow, SubmissionRow, WorkRow
from qbcore.models.people import RoleRow, TokenRow
from qbcore.models.records import DutyRow, HistoryRow, RunRow, RunTargetRow

__all__ = [
    "ArchiveRow",
    "AttemptRow",
    "CounterRow",
    "DeltaRow",
    "DependencyRow",
    "DutyRow",
    "GrantRow",
    "HistoryRow",
    "HostRow",
    "JobRow",
    "JoinTokenRow",
    "RoleRow",
    "RunRow",
    "RunTargetRow",
    "SubjobRow",
    "SubmissionRow",
    "TokenRow",
    "WorkRow",
]
