"""All frames of a job in a few bytes: names as runs, and differences that give the new string back."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from farm import framestates


def unpack(packed: list[str | list[int]]) -> list[str]:
    names: list[str] = []
    for entry in packed:
        if isinstance(entry, str):
            names.append(entry)
        else:
            first, step, count = entry
            names += [str(first + step * at) for at in range(count)]
    return names


def test_ten_thousand_numbered_frames_are_one_entry() -> None:
    assert framestates.pack_names([str(1001 + at) for at in range(10_000)]) == [[1001, 1, 10_000]]
    assert framestates.pack_names(["1", "3", "5", "left", "007"]) == [[1, 2, 3], "left", "007"]


@given(st.lists(st.one_of(st.integers(0, 60).map(str), st.sampled_from(["left", "1-5", "007", "-3", ""]))))
def test_packed_names_give_the_same_names_back(names: list[str]) -> None:
    assert unpack(framestates.pack_names(names)) == names


@given(st.data())
def test_changes_written_over_the_old_string_give_the_new_one(data: st.DataObject) -> None:
    old = data.draw(st.text("CRFP", max_size=300))
    new = data.draw(st.text("CRFP", min_size=len(old), max_size=len(old)))
    written = list(old)
    for start, letters in framestates.changes(old, new) or [(0, new)]:
        written[start : start + len(letters)] = letters
    assert "".join(written) == new


def test_one_changed_frame_of_many_is_sent_alone() -> None:
    old = "P" * 10_000
    assert framestates.changes(old, old[:500] + "R" + old[501:]) == [(500, "R")]
    assert framestates.changes(old, old) == []


def test_another_length_or_everything_anew_wants_a_whole_string() -> None:
    assert framestates.changes("PP", "PPP") is None
    assert framestates.changes("PPPP", "RRRR") is None


def test_the_version_tells_two_strings_apart() -> None:
    assert framestates.version("PPR") != framestates.version("PRP")
    assert int(framestates.version("PPR"), 16) == zlib.crc32(b"PPR")
