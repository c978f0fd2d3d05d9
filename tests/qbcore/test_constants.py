"""Numbers of the API: statuses and flags, to names and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore import constants
from qbcore.constants import FLAGS, STATUS_NUMBERS, TALLY_STATUSES, flags_number, flags_text
from qbcore.errors import Invalid


def test_the_numbers_of_the_api_are_as_scripts_know_them() -> None:
    assert (constants.QB_API_BINARY, constants.QB_API_XML) == (1, 2)
    assert constants.QB_TIME_EPOCH_OFFSET == 946702800
    assert constants.QB_CLIENT_DEFAULT_CONF.endswith("qb.conf")
    assert (STATUS_NUMBERS["complete"], STATUS_NUMBERS["pending"], STATUS_NUMBERS["running"]) == (16, 320, 336)
    assert (FLAGS["auto_mount"], FLAGS["auto_wrangling"], FLAGS["no_defaults"]) == (8, 16384, 524288)


def test_statuses_and_flags_are_told_apart_by_their_numbers() -> None:
    assert len(set(STATUS_NUMBERS.values())) == len(STATUS_NUMBERS)
    assert all(bit & (bit - 1) == 0 for bit in FLAGS.values())
    assert len(set(FLAGS.values())) == len(FLAGS)
    assert set(TALLY_STATUSES) - {"unknown"} <= set(STATUS_NUMBERS)


@pytest.mark.parametrize(
    ("given_flags", "number"),
    [
        (None, 0),
        ("", 0),
        (8, 8),
        ("8", 8),
        ("auto_mount", 8),
        (" Auto_Mount , mail,", 8 + 1024),
        ("mail,16384", 1024 + 16384),
    ],
)
def test_flags_may_be_numbers_or_names(given_flags: int | str | None, number: int) -> None:
    assert flags_number(given_flags) == number


@pytest.mark.parametrize("wrong", ["auto_mnt", -1, "-1", 2**31, "9" * 5000, True, 8.0, ["mail"]])
def test_what_is_no_set_of_flags_is_refused_with_the_names_to_choose_from(wrong: int | str) -> None:
    with pytest.raises(Invalid) as refused:
        flags_number(wrong)
    assert refused.value.field == "flags"
    assert "auto_mount" in str(refused.value)


def test_a_number_too_long_to_print_is_refused_too() -> None:
    with pytest.raises(Invalid):
        flags_number(10**5000)


@given(st.integers(0, 2**31 - 1))
def test_flags_as_text_read_back_as_the_same_number(number: int) -> None:
    assert flags_number(flags_text(number)) == number


def test_flags_without_a_name_stay_in_the_text_as_a_number() -> None:
    assert flags_text(8 + 1024 + 2**20) == "auto_mount,mail,1048576"
