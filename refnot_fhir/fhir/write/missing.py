"""What is missing until a subject is decided, as Parameters: one `missing` for each action.

Its parts: `action`, `settles` (how many criteria), `criterion` each, what it is named with (`role`,
`lab` or `decision`), and for each unknown criterion `why`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from refnot_fhir.core.results import CriterionResult
from refnot_fhir.core.rules import Protocol
from refnot_fhir.fhir.write.published import Json, filled
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why

Wanted = tuple[str, Sequence[str], Sequence[str], Sequence[CriterionResult]]
"""Action, criteria, what it is named with, and the results that are unknown."""

_NAMED: Mapping[str, str] = {"statement": "role", "data": "lab", "signature": "decision"}


def write(wanted: Iterable[Wanted], protocol: Protocol) -> Json:
    """The Parameters; R4, R4B and R5 have them in the same form."""
    found = [{"name": "missing", "part": list(_parts(one, protocol))} for one in wanted]
    return filled({"resourceType": "Parameters", "parameter": found})


def _parts(wanted: Wanted, protocol: Protocol) -> Iterator[Json]:
    action, criteria, names, results = wanted
    yield {"name": "action", "valueCode": action}
    yield {"name": "settles", "valueInteger": len(criteria)}
    for criterion in criteria:
        yield {"name": "criterion", "valueCode": criterion}
    for name in names:
        yield {"name": _NAMED[action], "valueString": name}
    for result in results:
        said = why(language(), protocol.labs, result)
        yield {"name": "why", "valueString": f"{result.criterion}: {said}"}
