"""The credentials file: who may read it, what stays in it, which token it gives for which supervisor."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from qbcore.errors import Invalid, Unauthorized
from qbcore.remote.address import parse_address
from qbcore.remote.credentials import credentials_path, default_address, token_for, write_credentials


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def token(url: str) -> str:
    return token_for(parse_address(url))[0]


def written(text: str) -> Path:
    path = credentials_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_only_the_owner_can_read_the_file_and_its_folder() -> None:
    path = write_credentials("http://127.0.0.1:8000", "qbu_one")
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_a_file_that_others_could_read_is_closed_to_them_when_written_again() -> None:
    path = written("[http://farm01:8000]\ntoken = qbu_old\n")
    path.chmod(0o644)
    path.parent.chmod(0o755)
    write_credentials("farm01", "qbu_new")
    assert (mode(path), mode(path.parent), token("farm01")) == (0o600, 0o700, "qbu_new")


def test_sections_of_other_supervisors_and_other_keys_stay() -> None:
    written("[https://farm.example]\ntoken = qbu_theirs\nnote = 100% theirs\n")
    path = write_credentials("http://127.0.0.1:8000", "qbu_ours")
    assert (token("https://farm.example"), token("http://127.0.0.1:8000")) == ("qbu_theirs", "qbu_ours")
    assert "note = 100% theirs" in path.read_text()


@pytest.mark.parametrize("name", ["localhost", "[::1]:8000", "http://127.0.0.1:8000/"])
def test_a_loopback_name_replaces_the_section_of_another(name: str) -> None:
    write_credentials("http://localhost:8000", "qbu_old")
    path = write_credentials(name, "qbu_new")
    assert token("http://127.0.0.1:8000") == "qbu_new"
    assert path.read_text().count("token") == 1


def test_the_last_farm_started_is_the_default_one() -> None:
    write_credentials("http://localhost:8000", "qbu_one")
    write_credentials("http://localhost:8001", "qbu_two")
    write_credentials("https://farm.example", "qbu_three", default=False)
    default = default_address()
    assert default is not None
    assert default.url == "http://localhost:8001"


def test_without_a_marked_section_there_is_no_default() -> None:
    write_credentials("https://farm.example", "qbu_three", default=False)
    assert default_address() is None


def test_a_token_is_given_for_its_own_supervisor_only() -> None:
    write_credentials("http://farm01:8000", "qbu_one")
    others = ["http://farm02:8000", "http://farm01:8001", "https://farm01:8000", "http://farm01:8000/below"]
    assert [token(other) for other in others] == [""] * 4


def test_an_ipv6_host_has_a_section_like_any_other() -> None:
    write_credentials("http://[fd00::7]:8000", "qbu_six")
    assert token("fd00::7") == "qbu_six"


def test_the_environment_s_token_wins_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    write_credentials("http://farm01:8000", "qbu_file")
    monkeypatch.setenv("QB_TOKEN", " qba_mine\n")
    assert token_for(parse_address("farm01")) == ("qba_mine", "QB_TOKEN")


def test_a_relative_config_home_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    assert credentials_path() == Path.home() / ".config/qb/credentials"


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles"
    kept.mkdir()
    path = written("")
    path.unlink()
    path.symlink_to(kept / "credentials")
    write_credentials("farm01", "qbu_one")
    assert path.is_symlink()
    assert mode(kept / "credentials") == 0o600


def test_nothing_but_the_file_is_left_in_the_folder() -> None:
    path = write_credentials("farm01", "qbu_one")
    write_credentials("farm02", "qbu_two")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("text", ["no section\n", "[http://a]\ntoken\n", "[http://a]\n[http://a]\n", "\xff"])
def test_a_malformed_file_is_named_and_never_overwritten(text: str) -> None:
    path = written("")
    path.write_bytes(text.encode("latin-1"))
    for act in (lambda: token("farm01"), lambda: write_credentials("farm01", "qbu_one")):
        with pytest.raises(Invalid, match=r"credentials is malformed: (.|\n)* Mend it or remove it"):
            act()
    assert path.read_bytes() == text.encode("latin-1")


def test_a_section_that_is_no_address_belongs_to_nobody() -> None:
    written("[not an address]\ntoken = qbu_lost\n")
    assert token("farm01") == ""


@pytest.mark.parametrize("wrong", ["", "two words", "line\nbreak", "ü", "[http://evil]\n"])
def test_what_no_token_looks_like_is_not_written(wrong: str) -> None:
    with pytest.raises(Unauthorized, match="characters that no token has"):
        write_credentials("farm01", wrong)
    assert not credentials_path().exists()


def test_a_file_that_may_not_be_read_is_said_so() -> None:
    path = credentials_path()
    path.mkdir(parents=True)
    with pytest.raises(Unauthorized, match="cannot be read: Is a directory"):
        token("farm01")


def test_a_section_called_default_gives_its_token_to_nobody() -> None:
    written("[DEFAULT]\ntoken = qbu_everybody\n[http://farm01:8000]\n")
    assert token("farm01") == ""
