"""The farm from another process: where it is, which token it gets, what crosses the wire. Standard library only."""

from qbcore.remote.client import call, close, getsupervisor, gettimeout, setsupervisor, settimeout
from qbcore.remote.credentials import credentials_path, write_credentials

__all__ = [
    "call",
    "close",
    "credentials_path",
    "getsupervisor",
    "gettimeout",
    "setsupervisor",
    "settimeout",
    "write_credentials",
]
