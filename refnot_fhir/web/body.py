"""The body of a request: what it claims to be, and unpacked.

Engines send FHIR as `text/plain` or `application/octet-stream`, so the content type decides only
what it can: XML is refused by name, anything else must be JSON.
"""

from __future__ import annotations

import zlib

from flask import Request

from refnot_fhir.errors import BadInput, NotSupported, TooLarge
from refnot_fhir.fhir.versions import Version

JSON_TYPES = frozenset(
    {
        "", "application/fhir+json", "application/json", "application/json+fhir", "text/json",
        "text/plain", "application/octet-stream",
    }
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"


def received(request: Request, limit: int) -> bytes:
    """The body's bytes, decompressed.

    Raises TooLarge over `limit` bytes (before or after decompression), NotSupported (415) for
    another media type or content coding, BadInput for an empty or damaged body.
    """
    if request.mimetype not in JSON_TYPES and request.mimetype != FORM:
        raise NotSupported(
            f"Content-Type {request.mimetype} is not understood: send application/fhir+json",
            status=415,
        )
    if (request.content_length or 0) > limit:
        raise TooLarge(_too_large(limit))
    body = _read(request, limit + 1)
    if len(body) > limit:
        raise TooLarge(_too_large(limit))
    body = _unpacked(body, request.headers.get("Content-Encoding", ""), limit)
    if not body.removeprefix(_BOM).strip():
        raise BadInput("the body is empty: send a FHIR resource as JSON")
    if body.removeprefix(_BOM).lstrip()[:1] == b"<":
        raise NotSupported("the body is XML: send application/fhir+json", status=415)
    return body


def version(request: Request, own: Version) -> Version:
    """The FHIR version that `fhirVersion` of the Content-Type states; `own` without it.

    https://hl7.org/fhir/R4/http.html#version-parameter. Raises NotSupported (415) for another one
    than R4, R4B and R5.
    """
    stated = request.mimetype_params.get("fhirversion")
    found = own if stated is None else Version.from_mime(stated)
    if found is None:
        raise NotSupported(
            "the fhirVersion of the Content-Type is none that is understood: send FHIR 4.0, 4.3 or "
            "5.0",
            status=415,
        )
    return found


def _unpacked(body: bytes, coding: str, limit: int) -> bytes:
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _WINDOWS:
        raise NotSupported(
            f"Content-Encoding {coding} is not understood: send gzip, deflate or none", status=415
        )
    text = bytearray()
    while body:
        # A gzip body may have several members, one after the other.
        unpacker = zlib.decompressobj(wbits=_WINDOWS[coding])
        try:
            text += unpacker.decompress(body, limit + 1 - len(text))
        except zlib.error:
            raise BadInput(f"the body is not valid {coding}") from None
        if len(text) > limit:
            raise TooLarge(_too_large(limit))
        if not unpacker.eof:
            raise BadInput(f"the {coding} body ends too early: send it again whole")
        body = unpacker.unused_data
    return bytes(text)


def _read(request: Request, most: int) -> bytes:
    """Up to that many bytes of the body; a stream may give less at a time than is asked for."""
    parts = []
    while most and (part := request.stream.read(min(most, _AT_ONCE))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


_AT_ONCE = 1 << 20
_BOM = b"\xef\xbb\xbf"
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def _too_large(limit: int) -> str:
    return f"the body is over {limit} bytes: send it in smaller bundles"
