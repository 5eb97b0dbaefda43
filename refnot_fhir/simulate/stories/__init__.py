"""The registry of scenarios: every story that the synthetic hospital can tell."""

from __future__ import annotations

from refnot_fhir.simulate.scenario import Scenario
from refnot_fhir.simulate.stories import (
    blood,
    chemistry,
    decided,
    dosing,
    drugs,
    medicines,
    people,
    versions,
)

SCENARIOS: tuple[Scenario, ...] = (
    people.SCENARIOS
    + blood.SCENARIOS
    + chemistry.SCENARIOS
    + drugs.SCENARIOS
    + medicines.SCENARIOS
    + versions.SCENARIOS
    + dosing.SCENARIOS
    + decided.SCENARIOS
)
