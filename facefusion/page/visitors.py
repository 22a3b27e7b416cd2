"""Limits each visitor's requests and bytes per minute."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

#: Most visitors in memory; the one that was absent longest is dropped first.
MAX_VISITORS: Final = 10_000
#: Prefix length of an IPv6 network that one household or machine usually has (RFC 6177).
IPV6_PREFIX: Final = 64


def visitor_of(scope: Mapping[str, Any]) -> str:
    """Names the visitor behind an ASGI request by address: an IPv4 address, or an IPv6 network.

    The address is that of the connection. Uvicorn replaces it by the one in `X-Forwarded-For`
    where `FORWARDED_ALLOW_IPS` says that the connection comes from a trusted proxy.
    """
    return visitor_at((scope.get("client") or ("", 0))[0])


def visitor_at(host: str) -> str:
    """Names a visitor by the connection's address alone."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


class Allowance:
    """A token bucket for each visitor; safe for concurrent use.

    Args:
        amount: size of the bucket, refilled within `seconds`.
        seconds: time in which an empty bucket fills up.
        clock: seconds, monotonic.
    """

    def __init__(
        self, amount: float, seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.amount, self.seconds = amount, seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, visitor: str, amount: float = 1.0) -> bool:
        """Takes `amount` from a visitor's bucket, or nothing if it holds less.

        Returns:
            Whether it held enough.
        """
        now = self._clock()
        with self._lock:
            left, before = self._buckets.pop(visitor, (self.amount, now))
            left = min(self.amount, left + (now - before) * self.amount / self.seconds)
            enough = left >= amount
            self._buckets[visitor] = (left - amount if enough else left, now)
            if len(self._buckets) > MAX_VISITORS:
                self._buckets.popitem(last=False)
        return enough
