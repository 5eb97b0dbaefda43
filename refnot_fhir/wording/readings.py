"""What is said of a reading: why it cannot be used, and what was done to understand it."""

from __future__ import annotations

from refnot_fhir.core.values import Reason
from refnot_fhir.wording import Language, language

_SECTION = "reading"
_AMOUNTS = frozenset({"held", "stated", "strength"})
"""Parameters that are an amount of a drug: number and UCUM unit."""


def sentence(reason: Reason, spoken: Language | None = None) -> str:
    """The sentence of a reason that was made in `core.translate`, with all that it rests on.

    It is English unless `spoken` is another language.

    A template has its reason's own parameters, and of what the reason rests on `{why}` and
    `{clause}`: whole sentences, and the same without a capital letter and a full stop.
    """
    words = spoken or language()
    whys = [sentence(inner, words) for inner in reason.because]
    about = _parameters(reason, words)
    about["why"], about["clause"] = "; ".join(whys), "; ".join(map(_clause, whys))
    return words.say(_SECTION, reason.case or reason.code, about)


def _parameters(reason: Reason, words: Language) -> dict[str, str]:
    """The parameters, several of one name as a list in words."""
    found: dict[str, str] = {}
    for name, text in reason.about:
        said = _in_words(name, text, words)
        found[name] = (
            f"{found[name]}{words.sections['words']['and']}{said}" if name in found else said
        )
    return found


def _in_words(name: str, text: str, words: Language) -> str:
    if name == "counts":
        return words.word("units-by-kind", text)
    if name not in _AMOUNTS:
        return text
    number, unit = text.split(" ")
    return f"{number} {words.word('units', unit)}"


def _clause(whole: str) -> str:
    return f"{whole[:1].lower()}{whole[1:].rstrip('.')}"
