"""Scripts of the shapes that people write for a farm, each run as they run it: in a process with nothing but qb."""

from __future__ import annotations

import os

import pytest

from qbcore.remote import credentials_path
from tests.e2e.processes import EmbeddedFarm
from tests.e2e.scripting import run_script
from tests.e2e.shapes_of_farms import ASKING, RUNNING
from tests.e2e.shapes_of_jobs import MAKING

pytestmark = pytest.mark.e2e
SHAPES = {**MAKING, **RUNNING, **ASKING}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_script_of_this_shape_prints_what_its_author_expects(calm: EmbeddedFarm, shape: str) -> None:
    script, lines = SHAPES[shape]
    assert run_script(script, calm.folder, {"PATH": os.environ["PATH"], **calm.env}).splitlines() == lines


LATE = """
import os, qb
print(qb.ping())
os.environ['QB_SUPERVISOR'] = {name!r}
print(qb.ping(), qb.getsupervisor() == {url!r}, qb.jobinfo(limit=0))
os.environ['QB_SUPERVISOR'] = '127.0.0.1:1'
print(qb.ping(), qb.ping(supervisor={url!r}), qb.ping(asDict=True)['alive'])
qb.setsupervisor({url!r})
print(qb.ping(), len(qb.hostinfo()))
"""


def test_a_script_names_its_supervisor_after_the_import(calm: EmbeddedFarm, tmp_path: os.PathLike[str]) -> None:
    elsewhere = {**calm.env, "XDG_CONFIG_HOME": os.fspath(tmp_path), "QB_TOKEN": calm.user("ann")}
    assert not credentials_path().exists()
    script = LATE.format(name=f"127.0.0.1:{calm.port}", url=calm.url.rstrip("/"))
    lines = run_script(script, calm.folder, elsewhere).splitlines()
    assert lines == ["False", "True True []", "False True False", "True 1"]
