"""Limits for each visitor's address."""

from __future__ import annotations

import pytest

from facefusion.page import visitors
from facefusion.page.guard import BYTES_A_MINUTE, MAX_UPLOAD
from facefusion.page.visitors import Allowance, visitor_of


@pytest.mark.parametrize(
    ("host", "visitor"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_a_visitor_is_an_address_or_an_ipv6_network(host: str, visitor: str) -> None:
    assert visitor_of({"client": (host, 1234)}) == visitor


def test_a_request_without_an_address_has_a_visitor() -> None:
    assert visitor_of({"client": None}) == visitor_of({}) == ""


def test_an_allowance_is_used_up_and_fills_again() -> None:
    now = 0.0
    allowance = Allowance(10, 60, clock=lambda: now)
    assert all(allowance.take("a") for _ in range(10))
    assert not allowance.take("a")
    assert allowance.take("b", 10) and not allowance.take("b", 1)
    now = 6.0
    assert allowance.take("a") and not allowance.take("a")
    now = 600.0
    assert not allowance.take("a", 10.5) and allowance.take("a", 10)


def test_what_is_not_granted_is_not_taken() -> None:
    allowance = Allowance(10, 60, clock=lambda: 0.0)
    assert not allowance.take("a", 11)
    assert allowance.take("a", 10)


def test_the_visitor_who_was_longest_away_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors, "MAX_VISITORS", 2)
    allowance = Allowance(1, 60, clock=lambda: 0.0)
    assert allowance.take("a") and allowance.take("b") and not allowance.take("a")
    assert allowance.take("c")  # b makes room
    assert allowance.take("b") and not allowance.take("c")


def test_the_largest_upload_fits_the_allowance() -> None:
    """An allowance never holds more than its size: what exceeds that would be refused for ever."""
    assert Allowance(BYTES_A_MINUTE).take("a", MAX_UPLOAD)
