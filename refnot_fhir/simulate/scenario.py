"""A named scenario: what one patient was built to show, in a sentence, and how."""

from __future__ import annotations

from collections.abc import Callable

from refnot_fhir.core.record import record
from refnot_fhir.simulate.story import Story


@record
class Scenario:
    """One entry of the registry in `stories`."""

    name: str
    sentence: str
    tell: Callable[[Story], None]
    days_ago: int | None = None
    """Days from the date of assessment to the last day; None: any, with time for two courses."""


def shows(
    sentence: str, *, days_ago: int | None = None
) -> Callable[[Callable[[Story], None]], Scenario]:
    """Make a scenario of the function below: its name is the function's, with hyphens."""

    def named(tell: Callable[[Story], None]) -> Scenario:
        return Scenario(tell.__name__.replace("_", "-"), sentence, tell, days_ago)

    return named
