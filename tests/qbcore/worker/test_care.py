"""A worker is cared for from afar: started anew, ended, described by a file that may change; it tells how it is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from qbcore.worker import config, hardware
from qbcore.worker.state import Stopped
from tests.qbcore.worker.conftest import Host
from tests.qbcore.worker.supervisor import Supervisor

Hosts = Callable[..., Host]
CONFIG = 'cluster = "/show"\ngroups = ["gpu", "fast"]\n[properties]\nrack = 7\n[resources]\nscratch = 500\n'


def test_a_worker_that_is_asked_to_starts_anew_in_the_same_process_and_says_who_it_was(
    supervisor: Supervisor, host: Host
) -> None:
    supervisor.until(lambda: supervisor.requests)
    assert host.program is not None
    supervisor.asked = "restart"
    supervisor.hint()
    supervisor.until(lambda: "starting anew" in host.log())
    supervisor.asked = ""
    supervisor.until(lambda: len(supervisor.hellos) >= 2)
    assert supervisor.hellos[-1]["previous"] == supervisor.hellos[-2]["session"]
    assert host.program.poll() is None, "nobody who watches over it saw it end"
    supervisor.submit("true", "1")
    supervisor.until(lambda: supervisor.reports)


def test_an_ask_whose_answer_is_lost_is_told_again_and_leads_to_one_new_start(
    supervisor: Supervisor, host: Host
) -> None:
    supervisor.until(lambda: supervisor.requests)
    lost: list[str] = []

    def refuse(path: str, told: object) -> int | None:
        if path == "sync" and supervisor.asked and not lost:
            lost.append(path)
            return 0
        return None

    supervisor.refuse, supervisor.asked = refuse, "restart"
    supervisor.hint()
    supervisor.until(lambda: "starting anew" in host.log())
    supervisor.asked = ""
    supervisor.until(lambda: len(supervisor.hellos) >= 2)
    assert lost


def test_a_worker_that_is_asked_to_end_ends_with_0(supervisor: Supervisor, host: Host) -> None:
    supervisor.until(lambda: supervisor.requests)
    supervisor.asked = "stop"
    supervisor.hint()
    assert host.wait() == 0
    assert "stopping: the farm asks for stop" in host.log()


def test_the_configuration_is_told_at_the_start_and_again_after_sighup(
    supervisor: Supervisor, hosts: Hosts, tmp_path: Path
) -> None:
    file = tmp_path / "host.toml"
    file.write_text(CONFIG)
    host = hosts("host", "--config", str(file))
    host.start()
    supervisor.until(lambda: supervisor.requests)
    facts = supervisor.hellos[0]["facts"]
    assert (facts["cluster"], facts["groups"]) == ("/show", "gpu,fast")
    assert (facts["properties"], facts["resources"]) == ({"rack": 7}, {"scratch": 500})
    assert facts["kernel"] == os.uname().release
    file.write_text(CONFIG.replace("7", "sevn'"))
    host.signal(signal.SIGHUP)
    supervisor.until(lambda: "still holds" in host.log())
    file.write_text(CONFIG.replace("7", "8"))
    host.signal(signal.SIGHUP)
    supervisor.until(lambda: any("facts" in told for told in supervisor.requests))
    [said] = [told["facts"] for told in supervisor.requests if "facts" in told]
    assert said["properties"] == {"rack": 8}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rack = 7", "line 1: 'rack' is no setting of a host. Give cluster, groups, properties, resources."),
        ('groups = ["a"]\ncluster = "show"', "line 2: 'cluster' is no cluster. Write a path"),
        ('groups = ["a,b"]', "line 1: 'groups' has a name with a comma"),
        ("groups = 3", "line 1: 'groups' is no list of names"),
        ("properties = 3", "line 1: 'properties' is no table"),
        ("[properties]\n\nrack = []", "line 3: 'rack' is []. Give a text of at most 200 characters"),
        ('[resources]\nscratch = "much"', "line 2: 'scratch' is 'much'. Give a number from 0."),
        ("[resources]\nscratch = -1", "line 2: 'scratch' is -1."),
        ("[resources]\nmemory = 1", "line 2: 'memory' is measured. Leave it out"),
        ('[properties]\n"a b" = 1', "line 2: 'a b' is no name"),
        ("cluster = ", "is no TOML"),
    ],
)
def test_a_configuration_that_cannot_be_names_the_line_the_key_and_the_cure(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "host.toml"
    file.write_text(text)
    with pytest.raises(Stopped) as refusal:
        config.read(file)
    assert said in str(refusal.value) and str(file) in str(refusal.value)


def test_a_configuration_that_is_not_there_stops_the_worker_before_it_speaks(
    supervisor: Supervisor, hosts: Hosts
) -> None:
    host = hosts("host", "--config", "/nowhere/host.toml")
    host.start()
    assert host.wait() == 1
    assert "--config: /nowhere/host.toml cannot be read: No such file or directory." in host.log()
    assert not supervisor.hellos


def test_beats_tell_how_busy_the_host_is(supervisor: Supervisor, hosts: Hosts) -> None:
    supervisor.next, supervisor.beat = 600.0, 0.1
    hosts().start()
    supervisor.until(lambda: supervisor.loads)
    assert supervisor.loads[0]["memory"] > 10 and 0 <= supervisor.loads[0]["cpu"] <= 1


def test_graphics_cards_are_read_from_the_driver_or_from_the_kernel(tmp_path: Path) -> None:
    proc, drm = tmp_path / "proc", tmp_path / "drm"
    assert hardware.gpus(proc, drm) == []
    for card, vendor in (("card0", "0x1002"), ("card1", "0x1234"), ("card0-HDMI-A-1", "0x1002")):
        (drm / card / "device").mkdir(parents=True)
        (drm / card / "device" / "vendor").write_text(f"{vendor}\n")
    assert hardware.gpus(proc, drm) == ["AMD"]
    (proc / "0000:01:00.0").mkdir(parents=True)
    (proc / "0000:01:00.0" / "information").write_text("Model: \t\t Quadro RTX 6000\nIRQ: 7\n")
    assert hardware.gpus(proc, drm) == ["Quadro RTX 6000"]


def test_the_processor_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Fine  CPU @ 3 GHz\n")
    assert hardware.processor(file) == "Fine CPU @ 3 GHz"
