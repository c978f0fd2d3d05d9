"""The examples that need no farm: objects, ranges, validators."""

from __future__ import annotations

from typing import Any

import qb
from tests.e2e.reference.showing import Check, Names, Shown, printed


def of_the_farm() -> Names:
    return {"job": qb.jobinfo(id=250, agenda=True)[0]}


def item_names(shown: Shown) -> Any:
    assert all(type(item) is qb.Work for items in shown.values for item in items)
    return [[item["name"] for item in items] for items in shown.values]


def callback(shown: Shown) -> Any:
    made = shown.names["cb"]
    return [type(made).__name__, made.triggers, made.code, made.language, made.user]


WORDS = {
    "QBObject": Check(["value"], printed),
    "Subjob": Check(["250.0 running"], printed),
    "Work": Check(["frame_1 pending"], printed),
    "Host": Check(["worker01 running"], printed),
    "Callback": Check(["Callback", ["complete-job-self"], "print('Job complete!')", "python", "admin"], callback),
    "genchunks": Check(
        [
            [f"{first}-{first + 9}" for first in range(1, 100, 10)],
            [*(f"{first}-{first + 4}" for first in range(-100, -10, 5)), "-10"],
        ],
        item_names,
    ),
    "genframes": Check([["1", "3", "5", "7", "9"], ["-10", "-8", "-6", "-4", "-2"]], item_names),
    "genpartitions": Check([["1-5", "6-10"], ["-100--67", "-66--34", "-33--1"]], item_names),
    "rangechunk": Check(
        [["1-5", "6-10", "11-15", "16-20"], ["-100--96", "-5--1", "-55--51"], 20],
        lambda shown: [shown.values[0], shown.values[1][:3], len(set(shown.values[1]))],
    ),
    "rangejoin": Check(["1-5", "1-13x2"]),
    "rangeorder": Check([list(range(1, 11)), [1, 9, 5, 3, 7]]),
    "rangesplit": Check([[1, 3, 5, 7, 9], [1, 3, 5, 10, 11, 12]]),
    "JobTallyValidator": Check([True], before=of_the_farm),
    "JobValidator": Check([True], before=of_the_farm),
}
