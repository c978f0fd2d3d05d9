"""Verbs on work items (frames), and their older names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbcore.remote.transport import work_verb

if TYPE_CHECKING:
    from qbcore.surface.types import Id


def killwork(workid: Id, *extraWorkids: Id) -> list[str]:
    """End frames ('250:7', '250:25-29') with their processes, at once; live ones become killed.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("killwork", (workid, *extraWorkids))


def retrywork(workid: Id, *extraWorkids: Id) -> list[str]:
    """Do complete, failed or killed frames again; they become pending and their count of retries starts anew.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("retrywork", (workid, *extraWorkids))


def requeuework(workid: Id, *extraWorkids: Id) -> list[str]:
    """Like retrywork, but the frames become blocked and wait for unblockwork.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("requeuework", (workid, *extraWorkids))


def blockwork(workid: Id, *extraWorkids: Id) -> list[str]:
    """Hold pending frames back.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("blockwork", (workid, *extraWorkids))


def unblockwork(workid: Id, *extraWorkids: Id) -> list[str]:
    """Let blocked frames go; they become pending.

    The ids ('250:7') of the frames changed. Source: named by the reference.
    """
    return work_verb("unblockwork", (workid, *extraWorkids))


def retirework(workid: Id, *extraWorkids: Id) -> list[str]:
    """Let live frames be complete without rendering them.

    The ids ('250:7') of the frames changed. Source: named beside the reference.
    """
    return work_verb("retirework", (workid, *extraWorkids))


completework = workcomplete = retirework
workblock, workunblock, workkill, workretry, workrequeue = blockwork, unblockwork, killwork, retrywork, requeuework
