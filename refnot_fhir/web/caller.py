"""Who calls: what a trusted proxy says, else the address of the peer."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from flask import request

from refnot_fhir.settings import Settings, networks

_LONGEST = 255


def caller(settings: Settings) -> str:
    """The name for the audit trail.

    The header that names a user is believed when the direct peer is a trusted proxy, and from
    nobody else: everybody can send it. It counts for nothing with a character that cannot be shown.
    """
    return named_user(settings) or request.remote_addr or ""


def named_user(settings: Settings) -> str:
    """The user whom a trusted proxy names; empty when none does: then nobody established it."""
    peer = request.remote_addr or ""
    if not settings.trusted_proxy or not _trusted(peer, settings.trusted_proxy):
        return ""
    user = request.headers.get(settings.user_header, "").strip()
    return user if user.isprintable() and len(user) <= _LONGEST else ""


@lru_cache(maxsize=256)
def _trusted(peer: str, proxies: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in networks(proxies))
