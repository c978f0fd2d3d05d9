"""The program on a host: it asks the supervisor for work, runs it, and reports. See docs/worker.md.

Django is not imported here: `python -m qbcore.worker` runs where only this package's few dependencies are installed.
"""
