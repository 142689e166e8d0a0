"""Paths, queries and the server's own address from hostile request lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.api.urls import base_url, decode_path, decode_query, quote_path
from araneus.model.errors import Refusal


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_a_quoted_path_decodes_to_itself(path: str) -> None:
    quoted = quote_path(path)
    assert quoted.isascii()
    assert decode_path(quoted.encode()) == path


@pytest.mark.parametrize("raw", [b"/%00", b"/%ff", b"/%ed%a0%80", b"/a\x00"])
def test_hostile_paths_are_refused(raw: bytes) -> None:
    with pytest.raises(Refusal):
        decode_path(raw)


@pytest.mark.parametrize("raw", [b"a=%ff", b"a=%00", b"\x00=1", b"%ed%a0%80=1", b"\xff=1", b"&".join([b"a=1"] * 3000)])
def test_hostile_queries_are_refused(raw: bytes) -> None:
    with pytest.raises(Refusal):
        decode_query(raw)


@given(st.binary(max_size=40))
def test_any_query_is_decoded_or_refused(raw: bytes) -> None:
    try:
        decoded = decode_query(raw)
    except Refusal:
        return
    assert all(isinstance(value, str) for values in decoded.values() for value in values)


def test_a_query_keeps_repeated_and_empty_values() -> None:
    assert decode_query(b"name=a&name=b&flag&x=") == {"name": ["a", "b"], "flag": [""], "x": [""]}


HOST = {"host": "api.example.org:8080"}
PROXIED = {"host": "inside", "x-forwarded-proto": "HTTPS, http", "x-forwarded-host": "out.example.org"}


@pytest.mark.parametrize(
    ("headers", "public", "trust", "expected"),
    [
        (HOST, None, False, "http://api.example.org:8080"),
        ({"host": "[::1]:80"}, None, False, "http://[::1]:80"),
        ({"host": "evil/../<script>"}, None, False, "http://127.0.0.1:9"),
        ({}, None, False, "http://127.0.0.1:9"),
        (HOST, "https://public.example.org/", False, "https://public.example.org"),
        (HOST, "https://public.example.org/v2", True, "https://public.example.org"),
        (PROXIED, None, False, "http://inside"),
        (PROXIED, None, True, "https://out.example.org"),
        ({**PROXIED, "x-forwarded-host": 'a"b', "x-forwarded-proto": "ftp"}, None, True, "http://127.0.0.1:9"),
    ],
)
def test_the_address_of_the_server(headers: dict[str, str], public: str | None, trust: bool, expected: str) -> None:
    found = base_url(headers=headers, scheme="http", server=("127.0.0.1", 9), public=public, trust=trust)
    assert found == expected
