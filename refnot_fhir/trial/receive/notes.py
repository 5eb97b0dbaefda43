"""What a sender is told of what was sent, although it did not fail."""

from __future__ import annotations

from collections.abc import Iterator

from refnot_fhir.core.criteria.attested import not_counted
from refnot_fhir.core.facts import Attestation, Dose, Measurement
from refnot_fhir.core.rules import Rulebook
from refnot_fhir.core.vocabulary import Unlisted
from refnot_fhir.errors import Problem
from refnot_fhir.fhir.types import KINDS, Understood
from refnot_fhir.fhir.whose import Whose
from refnot_fhir.trial.receive.request import FAILED, NOT_RETAINED, Request, Result
from refnot_fhir.wording import language
from refnot_fhir.wording.evidence import not_counted as said_of
from refnot_fhir.wording.readings import sentence

_UNLISTED = frozenset(Unlisted)


def not_retained(request: Request) -> Result:
    """The result of what no protocol has a use for."""
    note = Problem(
        "informational",
        "acknowledged and not retained: no protocol has a use for it"
        + ("" if request.type in KINDS else _UNREAD),
        request.where,
    )
    return Result(NOT_RETAINED, request.type, request.id, notes=(note,))


_UNREAD = " (resources of its type are not read)"


def was_unread(result: Result) -> bool:
    """Whether a resource was not retained because no resource of its type was read then."""
    return any(note.message.endswith(_UNREAD) for note in result.notes)


def unlinked(request: Request, of: Whose, *, fails: bool = False) -> Result:
    """The result of what is in no chart; it `fails` when nothing can ever put it into one."""
    place = ".".join(filter(None, (request.where, "subject")))
    if fails:
        problem = Problem("required", of.unlinked, place)
        return Result(FAILED, request.type, request.id, failure="invalid", problems=(problem,))
    note = Problem("processing", f"kept, and not linked: {of.unlinked}", place)
    return Result("", request.type, request.id, notes=(note,))


def notes_on(understood: Understood, where: str, rulebook: Rulebook) -> tuple[Problem, ...]:
    """What could not be used, and why: a sender can mend it."""
    notes: list[Problem] = []
    for fact in understood.facts:
        if isinstance(fact, Measurement):
            if fact.not_usable or fact.no_uln or fact.notes or fact.persons:
                notes += _on_measurement(fact, where, rulebook)
        elif isinstance(fact, Dose):
            notes += _on_dose(fact, where)
        elif isinstance(fact, Attestation):
            notes += _on_statement(fact, where, rulebook)
    return tuple(notes)


# Reasons quote what was sent, for the people who may see the chart; a sender's log may not.
def _on_measurement(lab: Measurement, where: str, rulebook: Rulebook) -> Iterator[Problem]:
    expression = ".".join(filter(None, (where, lab.source.part)))
    if lab.not_usable:
        said = unquoted(sentence(lab.not_usable))
        yield Problem("processing", f"{lab.analyte}: {said}", expression)
        return
    if any(note.code == "specimen-not-sent" for note in lab.notes):
        yield Problem("informational", f"{lab.analyte}: {_ASSUMED}", expression)
    if lab.persons:
        yield Problem("informational", f"{lab.analyte}: {_OTHER_RECORD}", expression)
    if lab.no_uln and lab.analyte in rulebook.judged_by_limit:
        said = unquoted(sentence(lab.no_uln))
        yield Problem("informational", f"{lab.analyte}: {said}", expression)


def _on_dose(dose: Dose, where: str) -> Iterator[Problem]:
    if not dose.resolved:
        said = unquoted("; ".join(map(sentence, dose.notes))) or _UNRESOLVED
        yield Problem("processing", said, where)
    for note in dose.notes:
        if note.code in _UNLISTED:
            yield Problem("informational", unquoted(sentence(note)), where)


def _on_statement(said: Attestation, where: str, rulebook: Rulebook) -> Iterator[Problem]:
    why = _not_counted(said, rulebook)
    if why:
        expression = ".".join(filter(None, (where, said.source.part)))
        yield Problem("processing", f"{said.criterion}: {why}", expression)


def _not_counted(said: Attestation, rulebook: Rulebook) -> str:
    """Why what a person states does not count; empty where it does."""
    protocol = rulebook.protocols[said.protocol]
    criteria = {it.id: it for it in protocol.criteria}
    if said.retracted:
        return ""
    allowed = criteria[said.criterion].attestable if said.criterion in criteria else None
    if allowed is None:
        return "nobody may state this: only data decide it"
    why = not_counted(said, allowed, version=protocol.version, self_declared=False)
    return "" if why is None else f"kept, and not counted: {said_of(language(), why)}"


def unquoted(reason: str) -> str:
    """A reason without what it quotes; of several quotations all between the first and the last."""
    before, opening, rest = reason.partition("“")
    _, closing, after = rest.rpartition("”")
    return f"{before}“…”{after}" if opening and closing else reason


_ASSUMED = (
    "its specimen is not here: until it arrives it is taken to be what the code says, "
    "and is decided again then"
)
_OTHER_RECORD = (
    "it names another Patient beside its own: it counts if both are records of one person"
)
_UNRESOLVED = "its product is not known: send the Medication that it refers to"
