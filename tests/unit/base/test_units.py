"""Durations, sizes and addresses in the form of settings."""

from __future__ import annotations

from datetime import timedelta

import pytest

from duckwatch.base.config.addresses import Endpoint, Endpoints, parse_listen, parse_listens
from duckwatch.base.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("5m", 300_000),
        ("12h", 43_200_000),
        ("30d", 2_592_000_000),
        ("2y", 63_072_000_000),
        ("0s", 0),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    """Each unit, and back."""
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 m", "1.5h", "-1s", "5M", "1d12h", "٣s", "1" * 30 + "s", "999999y", 5, None, True]
)
def test_what_is_no_duration(text: object) -> None:
    """A text that is no duration is refused, like a number without a unit."""
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1000", 1000), (1000, 1000), ("8MiB", 8 << 20), ("8GiB", 8 << 30), ("1TiB", 1 << 40)]
)
def test_sizes(text: object, size: int) -> None:
    """Each unit, and back."""
    assert parse_size(text) == size
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("text", ["", "8MB", "8M", "8 MiB", "1.5GiB", "-1", -1, 1.5, None, True, "٣"])
def test_what_is_no_size(text: object) -> None:
    """A text that is no size is refused, also units of a thousand, which are ambiguous."""
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9626",
        ":9626",
        "127.0.0.1",
        "::1:80",
        "[127.0.0.1]:80",
        "[::1]",
        "h:-1",
        "h:٣",
        "h h:1",
        "http://h:1",
        9626,
        None,
    ],
)
def test_what_is_no_address_to_listen_on(text: object) -> None:
    """An address without host or port is refused."""
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        parse_listen(text, 9626)


def test_an_address_has_one_spelling() -> None:
    """An address has one canonical form, so that a second spelling of it is recognised."""
    assert parse_listen("[2001:DB8:0::1]:80", 9626) == Endpoint("2001:db8::1", 80)
    with pytest.raises(ValueError, match="must not name the same address twice"):
        parse_listens(["[::1]:80", "[0::1]:80"], 9626)


@pytest.mark.parametrize("written", [["127.0.0.1:1", "[::1]:2"], '["127.0.0.1:1", "[::1]:2"]'])
def test_a_list_of_addresses_is_yaml_or_json(written: object) -> None:
    """A list of addresses is YAML in the file, JSON in the environment."""
    assert parse_listens(written, 9626) == Endpoints((Endpoint("127.0.0.1", 1), Endpoint("::1", 2)))
