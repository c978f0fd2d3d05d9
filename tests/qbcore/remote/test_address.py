"""The names that people write for a supervisor, as addresses."""

from __future__ import annotations

import pytest

from qbcore.errors import Invalid
from qbcore.remote.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("farm01", "http://farm01:8000"),
        (" farm01 ", "http://farm01:8000"),
        ("FARM01:9000", "http://farm01:9000"),
        ("render-01.studio.example", "http://render-01.studio.example:8000"),
        ("10.0.0.7:81", "http://10.0.0.7:81"),
        ("::1", "http://[::1]:8000"),
        ("fd00::7", "http://[fd00::7]:8000"),
        ("[fd00::7]:9000", "http://[fd00::7]:9000"),
        ("http://farm01:8000/", "http://farm01:8000"),
        ("http://farm01", "http://farm01:80"),
        ("https://farm.example", "https://farm.example:443"),
        ("https://farm.example/render/", "https://farm.example:443/render"),
        ("farm01/", "http://farm01:8000"),
    ],
)
def test_a_name_a_port_or_a_url_is_an_address(text: str, url: str) -> None:
    assert parse_address(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "two words",
        "farm01:port",
        "farm01:0",
        "farm01:65536",
        "ftp://farm01",
        "file:///etc/passwd",
        "http://",
        "http://me:secret@farm01",
        "http://farm01/?a=1",
        "http://farm01/#top",
        "http://[::1",
        "a..b",
        "x" * 300,
        "farm01\r\nHost: other",
        "farm01/ä",
    ],
)
def test_what_is_no_address_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Invalid, match=r"farm01:8000|ports go from 1 to 65535"):
        parse_address(text)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "[::1]:8000", "http://LOCALHOST:8000/"])
def test_the_loopback_names_have_one_key(name: str) -> None:
    assert parse_address(name).key == Address("http", "localhost", 8000)


@pytest.mark.parametrize(
    "other", ["https://localhost:8000", "localhost:8001", "http://localhost:8000/render", "farm01"]
)
def test_another_scheme_port_path_or_host_is_another_supervisor(other: str) -> None:
    assert parse_address(other).key != parse_address("localhost").key


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_beyond_the_range_is_refused(port: int) -> None:
    with pytest.raises(Invalid, match="ports go from 1 to 65535"):
        parse_address("farm01").at_port(port)
