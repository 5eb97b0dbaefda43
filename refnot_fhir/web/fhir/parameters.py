"""The Parameters resource that an operation is posted with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request

from refnot_fhir.errors import BadInput
from refnot_fhir.fhir import gate
from refnot_fhir.fhir.versions import Version
from refnot_fhir.trial.receive import parcel
from refnot_fhir.web.request import body


def posted(limit: int) -> Sequence[Mapping[str, Any]]:
    """Every `parameter` of a body of up to `limit` bytes; none where nothing was posted.

    http://hl7.org/fhir/R4/parameters.html. Raises BadInput for another resource, and for
    Parameters that are not valid.
    """
    if request.method != "POST" or not request.content_length:
        return ()
    sent = parcel.content(body(limit))
    if sent["resourceType"] != "Parameters":
        raise BadInput("an operation takes a Parameters resource, and nothing else")
    problems = gate.problems(sent, Version.R5)
    if problems:
        raise BadInput("the Parameters are not valid", problems)
    found: Sequence[Mapping[str, Any]] = sent.get("parameter", ())
    return found
