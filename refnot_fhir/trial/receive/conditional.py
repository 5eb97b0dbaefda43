"""References that name a resource by a search: `Patient?identifier=system|value`.

They mean the one resource, here or in the same delivery, that is found; with none or several the
request fails (https://hl7.org/fhir/R4/http.html#trules). Those to types that are not read here are
left as they are when they find nothing: what they name is not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from refnot_fhir.errors import Problem
from refnot_fhir.fhir.elements import CONDITIONAL
from refnot_fhir.fhir.types import KINDS
from refnot_fhir.fhir.whose import Identifier, carrying
from refnot_fhir.store.contract import Key
from refnot_fhir.store.view import Carried, View
from refnot_fhir.trial.receive import request as R
from refnot_fhir.trial.receive.naming import Naming
from refnot_fhir.trial.receive.parcel import conditions
from refnot_fhir.trial.receive.request import Request, Result


class Conditional:
    """The conditional references of a delivery."""

    def __init__(self, naming: Naming, keys: Sequence[Key | None], view: View) -> None:
        """`keys` are the targets known already."""
        self.found: dict[str, int | str] = {}
        """What each reference means: the index of a request, or a literal reference."""
        self.refused: dict[int, Result] = {}
        """The requests that fail, by index."""
        for index, stated in enumerate(naming.stated):
            for reference in sorted(one for one in stated if "?" in one):
                relative = naming.relative(reference)
                condition = _condition(relative)
                if condition is None:
                    self._refuse(index, reference, relative, naming)
                    continue
                meant = _meant(condition, view.carrying(condition), naming.requests, keys)
                if len(meant) == 1:
                    self.found[reference] = meant[0]
                elif condition.type in KINDS:
                    place = naming.place_of(index, reference)
                    self.refused[index] = _refused(naming.requests[index], place, len(meant))

    def _refuse(self, index: int, reference: str, relative: str, naming: Naming) -> None:
        """What asks for something else of a type that is read here can never be linked."""
        asked = CONDITIONAL.fullmatch(relative)
        if asked is not None and asked[1] in KINDS:
            request = naming.requests[index]
            problem = Problem("not-supported", _UNDERSTOOD, naming.place_of(index, reference))
            self.refused[index] = Result(
                R.FAILED, request.type, request.id, failure="invalid", problems=(problem,)
            )


def _condition(reference: str) -> Carried | None:
    """What a conditional reference asks for; None when it is none, or not understood."""
    found = CONDITIONAL.fullmatch(reference)
    if found is None:
        return None
    try:
        return Carried(found[1], *conditions(found[2]))
    except ValueError:
        return None


def _meant(
    condition: Carried,
    stored: Iterable[Key],
    requests: Sequence[Request],
    keys: Sequence[Key | None],
) -> list[int | str]:
    """The requests, by index, and stored resources that carry an identifier once all is done."""
    coming: dict[int | Key, Mapping[str, Any] | None] = {}
    for index, (request, key) in enumerate(zip(requests, keys, strict=True)):
        if request.type == condition.type and request.action in (R.CREATE, R.UPDATE, R.DELETE):
            coming[key or index] = None if request.action == R.DELETE else request.resource
    places: list[int | Key] = list(stored)
    found = carrying(places, coming, Identifier(condition.system, condition.value))
    return [one if isinstance(one, int) else f"{one.type}/{one.id}" for one in found]


def _refused(request: Request, place: str, count: int) -> Result:
    code = "multiple-matches" if count else "not-found"
    said = _MANY.format(count=count) if count else _NONE
    problem = Problem(code, said, place)
    return Result(R.FAILED, request.type, request.id, failure="precondition", problems=(problem,))


_NONE = (
    "no resource here or in this delivery is what this conditional reference names: send it first, "
    "or in the same transaction"
)
_UNDERSTOOD = "a conditional reference is understood as Type?identifier=system|value only"
_MANY = "{count} resources are what this conditional reference names: name one of them by its id"
