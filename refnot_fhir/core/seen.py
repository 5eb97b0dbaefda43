"""What a hospital said, in its own words: measurements and administrations as they were sent."""

from __future__ import annotations

from refnot_fhir.core.facts import ConsentState, Outcome, State, Use, Verification
from refnot_fhir.core.record import record, shared
from refnot_fhir.core.specimen import Focus, SpecimenState
from refnot_fhir.core.values import Concept, Quantity, Source, When
from refnot_fhir.core.vocabulary import Standing


@record
class OtherValue:
    """A value of a kind that no criterion can use (a Ratio, a waveform …), by its name."""

    kind: str


Value = Quantity | Concept | OtherValue | str | bool | int


@shared
class ReferenceRange:
    """One reference range as sent; `doubt` says why it must not be used, if it must not."""

    low: Quantity | None = None
    high: Quantity | None = None
    text: str = ""
    kind: Concept | None = None
    applies_to: tuple[Concept, ...] = ()
    age_low: Quantity | None = None
    age_high: Quantity | None = None
    doubt: str = ""


@record
class MeasurementSeen:
    """One measurement, score or answer as a hospital sent it: an Observation or a part of one."""

    source: Source
    patient: str
    """The Patient's id at the source's site; empty when the hospital did not say."""
    standing: Standing
    code: Concept
    value: Value | None = None
    absent: Concept | None = None
    ranges: tuple[ReferenceRange, ...] = ()
    collected: When | None = None
    issued: When | None = None
    specimen: Concept | None = None
    specimen_state: SpecimenState = SpecimenState.UNNAMED
    method: Concept | None = None
    sample: str = ""
    """Which specimen it is: its id at the site, or `#id` inside the resource; empty: not said."""
    sample_of: str = ""
    """The report that names the specimen, where the measurement inside it does not."""
    focus: tuple[Focus, ...] = ()
    """Whom or what it is about instead of the patient; empty: it is the patient's own."""
    body_site: Concept | None = None
    interpretations: tuple[Concept, ...] = ()
    sample_versions: tuple[str, str] | None = None
    """The version of the specimen that is named, and the current one, if that is another."""
    identifiers: tuple[str, ...] = ()
    """Of the resource, each as `Observation?system|value`."""
    sent_version: str = ""
    """The version of the resource as its sender counts."""
    device: Concept | None = None
    """The instrument, as far as it is described with the measurement."""


@record
class Product:
    """What the hospital says about the product given: its strength per unit, and its lot."""

    strength: Quantity | None = None
    """Active substance in one `per`."""
    per: Quantity | None = None
    lot: str = ""
    strength_text: str = ""
    """The strength in words, where the product says it in no other way (R5)."""
    ingredients: tuple[Concept, ...] = ()
    """Every ingredient that is not said to be inactive; empty of one that is not understood."""


@record
class DoseSeen:
    """One administration of a medication as a hospital sent it."""

    source: Source
    patient: str
    outcome: Outcome
    """`PARTIAL`: it was stopped before all was given."""
    reasons: tuple[Concept, ...] = ()
    """Why it was not given, or was stopped."""
    medication: Concept | None = None
    unresolved: str = ""
    """The reference to a Medication that was not sent (yet); then `medication` is None."""
    product: Product | None = None
    product_versions: tuple[str, str] | None = None
    """The version of the Medication that is named, and the current one, if that is another."""
    given: When | None = None
    ended: When | None = None
    """The end of the period in which it was given; one that was not said may be any later time."""
    dose: Quantity | None = None
    dose_text: str = ""
    route: Concept | None = None
    body_site: Concept | None = None
    studies: tuple[str, ...] = ()
    """References of the workflow-researchStudy extension."""
    sub_potent: bool = False
    """That it was said not to be the full dose."""


@record
class ConditionSeen:
    """One Condition or AllergyIntolerance as a hospital sent it."""

    source: Source
    patient: str
    codes: tuple[Concept, ...]
    """What it is: the code; of an allergy also the substances and signs of its reactions."""
    state: State
    verification: Verification
    onset: When | None = None
    abated: When | None = None
    recorded: When | None = None
    evidence: tuple[Concept, ...] = ()
    """What it is said to rest on."""
    stages: tuple[Concept, ...] = ()
    doubt: str = ""
    """Why nothing may be taken from it: a modifier extension."""
    harms: bool = False
    """Whether it tells of a reaction, or that the next one may be severe."""


@record
class ConsentSeen:
    """One Consent as a hospital sent it."""

    source: Source
    patient: str
    state: ConsentState
    permits: bool | None
    kinds: tuple[Concept, ...]
    """Its scope, or where none is said its categories."""
    studies: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    given: When | None = None
    begins: When | None = None
    ends: When | None = None
    doubts: tuple[str, ...] = ()
    """Why only a person can judge what it says."""


@record
class UseSeen:
    """One statement, order or dispense of a medication as a hospital sent it."""

    source: Source
    patient: str
    use: Use
    medication: Concept | None = None
    unresolved: str = ""
    """As of `DoseSeen`."""
    product: Product | None = None
    routes: tuple[Concept | None, ...] = ()
    """Of each dosage."""
    began: When | None = None
    ended: When | None = None
    is_over: bool = False
    """That it is said to be taken no longer."""
    recorded: When | None = None
    """When it was said."""
    reasons: tuple[Concept, ...] = ()
    """What it is for."""
    studies: tuple[str, ...] = ()
    """As of `DoseSeen`."""


@record
class ProcedureSeen:
    """One Procedure as a hospital sent it."""

    source: Source
    patient: str
    outcome: Outcome
    code: Concept | None = None
    began: When | None = None
    ended: When | None = None
    """As of `DoseSeen`."""
    recorded: When | None = None
    studies: tuple[str, ...] = ()
    """As of `DoseSeen`."""
