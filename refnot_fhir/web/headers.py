"""Headers that ask for something, and those that answer them: Prefer, ETag, If-Match, keys.

`Prefer` (https://www.rfc-editor.org/rfc/rfc7240#section-2) is a list of `token`, `token=word` or
`token="quoted"`, in one header or several. Names have no case, the first of a name counts, and what
is not known is ignored. No preference that is known here has parameters, so what some clients write
after a semicolon is taken for one of its own. The preferences are those of FHIR:
https://hl7.org/fhir/R4/http.html#ops and https://hl7.org/fhir/R4/search.html#errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from flask import request

from refnot_fhir.core.record import record
from refnot_fhir.errors import BadInput
from refnot_fhir.fhir.bundle import etag, version_of

MINIMAL, REPRESENTATION, OUTCOME = "minimal", "representation", "OperationOutcome"

_PART = re.compile(r'(?:[^,;"]|"(?:[^"\\]|\\.)*"?)+')
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PREFERENCE = re.compile(rf'\s*({_WORD})\s*(?:=\s*("(?:[^"\\]|\\.)*"|{_WORD})?)?\s*')
_ESCAPED = re.compile(r"\\(.)")
_FORMS = {form.lower(): form for form in (MINIMAL, REPRESENTATION, OUTCOME)}


@record
class Preferences:
    """What is preferred of what can be had here."""

    form: str = ""
    """What a write is answered with: MINIMAL, REPRESENTATION, OUTCOME, or empty for the usual."""
    strict: bool = False
    """Whether what would be ignored, or would fail alone, is to fail the request."""

    def applied(self, *, form: bool) -> dict[str, str]:
        """`Preference-Applied` of an answer; `form` is whether it has the form preferred."""
        found = ["handling=strict"] if self.strict else []
        if form and self.form:
            found.insert(0, f"return={self.form}")
        return {"Preference-Applied": ", ".join(found)} if found else {}


def preferences() -> Preferences:
    """Those of the request."""
    return read(request.headers.get("Prefer", ""))


@lru_cache(maxsize=256)
def read(text: str) -> Preferences:
    """Those that the value of the header states."""
    stated: dict[str, str] = {}
    for name, value in _stated(text):
        stated.setdefault(name, value)
    form = _FORMS.get(stated.get("return", ""), "")
    return Preferences(form, stated.get("handling") == "strict")


def _stated(text: str) -> Iterator[tuple[str, str]]:
    for part in _PART.findall(text):
        found = _PREFERENCE.fullmatch(part)
        if found is not None:
            value = found[2] or ""
            if value.startswith('"'):
                value = _ESCAPED.sub(r"\1", value[1:-1])
            yield found[1].lower(), value.strip().lower()


def of_version(version: int | str, updated: datetime | None = None) -> dict[str, str]:
    """The headers that name a version of a resource, and when it was made."""
    found = {"ETag": etag(version)}
    return {**found, "Last-Modified": http_date(updated)} if updated else found


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def is_known(version: int | str) -> bool:
    """Whether the caller says that it has this version already: If-None-Match of a read."""
    return request.if_none_match.contains_weak(str(version))


def if_match() -> int | None:
    """The version that must be the newest one; None without If-Match. Raises BadInput."""
    stated = request.headers.get("If-Match")
    try:
        return None if stated is None else version_of(stated)
    except ValueError as error:
        raise BadInput(str(error)) from None


def if_absent() -> bool:
    """Whether the resource must not be there: If-None-Match of a PUT. Raises BadInput."""
    stated = request.headers.get("If-None-Match")
    if stated is not None and stated.strip() != "*":
        raise BadInput("If-None-Match of a PUT is only understood as *")
    return stated is not None


def if_none_exist() -> str:
    """The query of a conditional create; empty without it. Raises BadInput."""
    stated = request.headers.get("If-None-Exist")
    if stated is not None and not stated.strip():
        raise BadInput("If-None-Exist is empty: send identifier=system|value, or leave it out")
    return (stated or "").strip()


def key() -> str:
    """What the sender calls this delivery (draft-ietf-httpapi-idempotency-key-header); or empty.

    `X-Request-Id` is none: proxies make a new one for every retry. Raises BadInput.
    """
    stated = request.headers.get("Idempotency-Key")
    if stated is None:
        return ""
    named = stated.strip().strip('"')
    if not named or len(named) > _LONGEST_KEY:
        raise BadInput(f"an Idempotency-Key has 1 to {_LONGEST_KEY} characters")
    return f"Idempotency-Key {named}"


_LONGEST_KEY = 255
