"""Why a dose deviates from the schedule, and how deviations and units are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from refnot_fhir.core.dosing.results import Deviation, DeviationCode, DosingReason
from refnot_fhir.core.values import Reason
from refnot_fhir.wording import Language, language, readings

REASONS = "dosing-reasons"
_PARTS = "dosing-parts"
_ALL = {"reference": "references", "criterion": "criteria"}
_ANY = {"route": "routes", "body-site": "body-sites", "side": "sides", "day": "days"}


class Called(NamedTuple):
    """How a code is shown, and what it means."""

    display: str
    definition: str


def why(deviation: Deviation, words: Language | None = None) -> str:
    """The deviation in one sentence."""
    return told(deviation.reasons, words)


def told(reasons: Iterable[Reason], words: Language | None = None) -> str:
    """Several reasons in one sentence; empty for none."""
    words = words or language()
    return words.sections[_PARTS]["of-one"].join(_sentence(one, words) for one in reasons)


def called(code: DeviationCode, unit: str, words: Language | None = None) -> Called:
    """How a deviation is called in the published CodeSystem of a drug that is counted in `unit`."""
    words = words or language()
    return Called(
        words.say("dosing-deviations", code, {}),
        words.say("dosing-definitions", code, {"unit": words.word("units-in-full", unit)}),
    )


def _sentence(reason: Reason, words: Language) -> str:
    if reason.code not in words.sections[REASONS]:
        return readings.sentence(reason, words)
    return words.say(REASONS, _template(reason, words), parameters(reason, words))


def _template(reason: Reason, words: Language) -> str:
    several = f"{reason.code}.several"
    many = sum(name == "reference" for name, _ in reason.about) > 1
    return several if many and several in words.sections[REASONS] else reason.code


def parameters(reason: Reason, words: Language) -> Mapping[str, str]:
    """What the template of a reason is filled with: what it is about, joined where it repeats."""
    about: dict[str, list[str]] = {}
    for name, value in reason.about:
        about.setdefault(name, []).append(value)
    found = {name: values[0] for name, values in about.items()}
    for joint, named in (("and", _ALL), ("or", _ANY)):
        for one, many in named.items():
            found[many] = words.sections[_PARTS][joint].join(about.get(one, ()))
    if "unit" in found:
        found["unit"] = words.word("units", found["unit"])
    if reason.code == DosingReason.SAME_PLACE:
        found["place"] = " ".join(value for _, value in reason.about)
    if reason.code == DosingReason.INTERVAL:
        found["interval"] = _interval(found["least"], found["most"], words)
    return found


def _interval(least: str, most: str, words: Language) -> str:
    code = "day" if most == "1" else "days"
    days = words.say(_PARTS, code, {"number": most})
    if least == most:
        return days
    return words.say(_PARTS, "from-to", {"least": least, "days": days})
