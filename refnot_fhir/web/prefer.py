"""The `Prefer` header: what a client would rather have, read in one place for every route.

https://www.rfc-editor.org/rfc/rfc7240#section-2: a list of `token`, `token=word` or
`token="quoted"`, in one header or several. Names have no case, the first of a name counts, and what
is not known is ignored. No preference that is known here has parameters, so what some clients write
after a semicolon is taken for one of its own. The preferences are those of FHIR:
https://hl7.org/fhir/R4/http.html#ops and https://hl7.org/fhir/R4/search.html#errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask import request

from refnot_fhir.core.record import record

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
    return read(", ".join(request.headers.getlist("Prefer")))


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
