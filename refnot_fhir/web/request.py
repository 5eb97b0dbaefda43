"""A request: its body, the FHIR version of it, what is wanted back, and the base it came to.

Engines send FHIR as `text/plain` or `application/octet-stream`, so the content type decides only
what it can: XML is refused by name, anything else must be JSON.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from functools import lru_cache
from typing import IO

from flask import request
from flask.globals import request_ctx
from werkzeug.http import parse_options_header
from werkzeug.sansio.utils import get_current_url

from refnot_fhir.errors import BadInput, NotAcceptable, TooLarge, UnknownMedia
from refnot_fhir.fhir.versions import Version
from refnot_fhir.settings import Settings, networks
from refnot_fhir.trial.service import DEFAULT_SITE

JSON_TYPES = frozenset(
    {
        "", "application/fhir+json", "application/json", "application/json+fhir", "text/json",
        "text/plain", "application/octet-stream",
    }
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"
_PAGES = ("text/html", "application/xhtml+xml", "html")
"""What browsers ask for: they get the same JSON in a page."""
_ACCEPTED = frozenset({*JSON_TYPES - {"application/octet-stream"}, "*/*", "application/*", "json",
                       *_PAGES})  # fmt: skip


def body(limit: int) -> bytes:
    """The body's bytes, decompressed.

    Raises TooLarge over `limit` bytes (before or after decompression), UnknownMedia for another
    media type or content coding, BadInput for an empty or damaged body.
    """
    asked = request_ctx.request
    media = asked.mimetype
    if media not in JSON_TYPES and media != FORM:
        raise UnknownMedia(f"Content-Type {media} is not understood: send application/fhir+json")
    if (asked.content_length or 0) > limit:
        raise TooLarge(_too_large(limit))
    received = _read(asked.stream, limit + 1)
    if len(received) > limit:
        raise TooLarge(_too_large(limit))
    received = _unpacked(received, asked.headers.get("Content-Encoding", ""), limit)
    if not received.removeprefix(_BOM).strip():
        raise BadInput("the body is empty: send a FHIR resource as JSON")
    if received.removeprefix(_BOM).lstrip()[:1] == b"<":
        raise UnknownMedia("the body is XML: send application/fhir+json")
    return received


def version_sent(own: Version) -> Version:
    """The FHIR version that `fhirVersion` of the Content-Type states; `own` without it.

    https://hl7.org/fhir/R4/http.html#version-parameter. Raises UnknownMedia for another one than
    R4, R4B and R5.
    """
    stated = request.mimetype_params.get("fhirversion")
    found = own if stated is None else Version.from_mime(stated)
    if found is None:
        raise UnknownMedia(
            "the fhirVersion of the Content-Type is none that is understood: send FHIR 4.0, 4.3 or "
            "5.0"
        )
    return found


def wanted(own: Version = Version.R4) -> Version:
    """The FHIR version that `_format` or the Accept header wants most; `own` if they name none.

    Raises NotAcceptable for a form or a version that is not served.
    """
    return _preferred(_accepted(), own)


def names_version() -> bool:
    """Whether `_format` or the Accept header says which FHIR version is wanted."""
    return wanted(Version.R4) is wanted(Version.R5)


def wanted_of_write(own: Version) -> Version:
    """The version of the answer to a write: what was sent is kept whatever Accept says."""
    try:
        return wanted(own)
    except NotAcceptable:
        return own


def wants_page() -> bool:
    """Whether a browser asks."""
    return _prefers_page(_accepted())


@lru_cache(maxsize=256)
def _prefers_page(text: str) -> bool:
    stated = by_preference(text)
    return bool(stated) and stated[0][0].lower() in _PAGES


@lru_cache(maxsize=256)
def _preferred(text: str, own: Version) -> Version:
    refused = []
    for media, options in by_preference(text):
        stated = options.get("fhirversion")
        version = Version.from_mime(stated) if stated else own
        if media.lower() in _ACCEPTED and version is not None:
            return version
        refused.append(f"{media}; fhirVersion={stated}" if stated else media)
    raise NotAcceptable(
        f"{', '.join(refused) or 'nothing'} is not served: ask for application/fhir+json, with "
        "fhirVersion 4.0, 4.3 or 5.0"
    )


def _accepted() -> str:
    asked = request_ctx.request
    stated = ""
    # To look for what is not there costs more than to see first whether there is anything.
    if asked.query_string and "_format" in asked.args:
        stated = asked.args["_format"]
    if not stated and asked.path.endswith("/_search") and asked.mimetype == FORM:
        stated = asked.form.get("_format", "")
    # A plus sign in an address that was not escaped arrives as a blank.
    return stated.replace("/fhir ", "/fhir+") or asked.headers.get("Accept", "")


def by_preference(text: str) -> list[tuple[str, dict[str, str]]]:
    """Media types with their parameters, those first that are wanted most."""
    parts = [parse_options_header(part.strip()) for part in text.split(",")]
    weighed = [(_quality(options.get("q", "1")), media, options) for media, options in parts]
    weighed.sort(key=lambda one: -one[0])
    return [(media, options) for quality, media, options in weighed if quality > 0]


def _quality(text: str) -> float:
    return float(text) if _QUALITY.fullmatch(text) else 1.0


_QUALITY = re.compile(r"[01](\.\d{0,3})?", re.ASCII)


def base_url() -> str:
    """The absolute URL of the FHIR base that the request came to."""
    return own_bases()[0]


def own_bases() -> tuple[str, ...]:
    """That base as the world calls it, and as this client does, where a proxy stands between."""
    config, asked = request_ctx.app.config, request_ctx.request
    site = (asked.view_args or {}).get("site", DEFAULT_SITE)
    path, public = config["REFNOT_BASE_PATH"], config["REFNOT_PUBLIC_URL"]
    return _bases(site, path, public, asked.scheme, asked.host)


@lru_cache(maxsize=64)
def _bases(site: str, path: str, public_url: str, scheme: str, host: str) -> tuple[str, ...]:
    below = path if site == DEFAULT_SITE else f"/{site}{path}"
    roots = (public_url, get_current_url(scheme, host))
    return tuple(root.rstrip("/") + below for root in roots if root)


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


_LONGEST = 255
"""Characters of the name of a user."""


def _unpacked(packed: bytes, coding: str, limit: int) -> bytes:
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return packed
    if coding not in _WINDOWS:
        raise UnknownMedia(
            f"Content-Encoding {coding} is not understood: send gzip, deflate or none"
        )
    text = bytearray()
    while packed:
        # A gzip body may have several members, one after the other.
        unpacker = zlib.decompressobj(wbits=_WINDOWS[coding])
        try:
            text += unpacker.decompress(packed, limit + 1 - len(text))
        except zlib.error:
            raise BadInput(f"the body is not valid {coding}") from None
        if len(text) > limit:
            raise TooLarge(_too_large(limit))
        if not unpacker.eof:
            raise BadInput(f"the {coding} body ends too early: send it again whole")
        packed = unpacker.unused_data
    return bytes(text)


def _read(stream: IO[bytes], most: int) -> bytes:
    """Up to that many bytes of the body; a stream may give less at a time than is asked for."""
    parts = []
    while most and (part := stream.read(min(most, _AT_ONCE))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


_AT_ONCE = 1 << 20
_BOM = b"\xef\xbb\xbf"
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def _too_large(limit: int) -> str:
    return f"the body is over {limit} bytes: send it in smaller bundles"
