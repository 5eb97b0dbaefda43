"""What the file of one hospital says: its clock, its own codes and units, its feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import tzinfo
from decimal import Decimal

from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.facts import CompleteFeed
from refnot_fhir.core.record import record, shared


@shared
class Site:
    """One hospital's feed and its habits. Source: `mappings/sites/<hospital>.toml`."""

    name: str
    title: str
    fhir: str
    """`R4`, `R4B` or `R5`."""
    zone: tzinfo
    keep: str = "protocol"
    """`protocol`: what no protocol has a use for is acknowledged and not kept; `all`."""
    writes: str = ""
    """`careful`: an equal create is one resource, and what may undo a correction or a deletion is
    refused unless it is meant; `fhir`: every write is taken as the newest. Empty: careful, but in
    a throw-away database."""
    propose: str = "all"
    """Who becomes a candidate: `all` patients, those `with-readings`, or `none`."""
    base_urls: tuple[str, ...] = ()
    """Addresses of this hospital's own FHIR server: a reference below one is to its own."""
    codes: Mapping[CodeKey, CodeKey] = field(default_factory=dict)
    """Local code to the standard code that it means."""
    swapped: Mapping[CodeKey, CodeKey] = field(default_factory=dict)
    """Code as this hospital's analyser sends it to the code that it means, both standard."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Local unit (normalised) to UCUM unit."""
    decimal_comma: bool = False
    """Whether a text value `2,1` means 2.1 here."""
    range_text: bool = False
    """Whether a reference range that is only text, `0-40`, may be read."""
    dates_in_utc: bool = False
    """This feed states local clock times with a false `Z`. Only ever set with proof."""
    upper_limits: Mapping[tuple[str, str], UpperLimit] = field(default_factory=dict)
    """(lab, sex or empty) to the laboratory's own limit, for rows sent without a range."""
    vials: tuple[VialStrength, ...] = ()
    """Strengths of vials that the hospital states for its stock."""
    administrations: CompleteFeed | None = None
    """Since when this feed carries all administrations, if the hospital states it."""


@record
class VialStrength:
    """What a vial of a drug holds, as a hospital states it outside its messages."""

    drug: str
    holds: Decimal
    """In the unit that the drug is counted in."""
    code: CodeKey | None = None
    """The one product that it is said of, by the hospital's code; None: of no one code."""
    text: str = ""
    """The one product that it is said of, by its whole name (`translate.drug.plain`)."""


@record
class UpperLimit:
    """An upper limit of normal that a laboratory states outside its messages."""

    value: Decimal
    unit: str
    source: str
