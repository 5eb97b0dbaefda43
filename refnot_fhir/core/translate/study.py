"""Which study an administration was tagged with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from refnot_fhir.core.rules import Protocol

_VERSION = re.compile(r"/_history/[^/]*$")


def names(reference: str, protocol: Protocol) -> bool:
    """Whether a reference ends in the study's id or one of its registered identifiers."""
    last = _VERSION.sub("", reference).rstrip("/").rpartition("/")[2]
    return last == protocol.id or last in {value for _, value in protocol.identifiers}


def is_literal(reference: str) -> bool:
    """Whether a reference says by itself which study it means; a contained one does not."""
    return not reference.startswith("#")


def of_another_study(studies: Sequence[str], protocol: Protocol) -> bool:
    """Whether what is tagged with these is of some study, and not of this one."""
    tags = list(filter(is_literal, studies))
    return bool(tags) and not any(names(tag, protocol) for tag in tags)
