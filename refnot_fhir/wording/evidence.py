"""What each received fact says, in one line: from what was sent to what counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

from refnot_fhir.core.dictionary import Lab
from refnot_fhir.core.exact import shown
from refnot_fhir.core.intervals import shown_interval
from refnot_fhir.core.results import Evidence, Shows
from refnot_fhir.core.values import Reason
from refnot_fhir.wording import Language
from refnot_fhir.wording.readings import sentence

Labs = Mapping[str, Lab]
"""Entries of `labs.toml`, by name: their titles are what a lab is called."""

Days = tuple[date, date]

# A lab stands at the beginning of a formula or after a space or a bracket; a space follows it.
_LAB = re.compile(r"(?<![^ (])[a-z0-9-]+(?= )")
_UNUSABLE = re.compile(r"(?<= )\?")


_OF_COMPUTED = frozenset({"part", "one", "other"})


def title(labs: Labs, name: str) -> str:
    """A lab as people call it; its name when the dictionary no longer has it."""
    return labs[name].title if name in labs else name


def days(language: Language, span: Days) -> str:
    """`2026-05-04`, or `2026-05-01 to 2026-05-31` for a date known only within bounds.

    `since 2026-05-04` and `until 2026-05-04` for a period of which one end was not said.
    """
    return language.say("days", _kind_of(span), _ends(span))


def of_days(language: Language, span: Days) -> str:
    """`of 2026-05-04`, or `since 2026-05-04`."""
    kind = _kind_of(span)
    return language.say("days", f"of-{kind}" if kind in ("day", "span") else kind, _ends(span))


def _kind_of(span: Days) -> str:
    first, last = span
    if first == last:
        return "day"
    # What has no end lasts for as long as the calendar does, in whichever time zone.
    begins, ends = first.year > date.min.year, last.year < date.max.year
    if begins and ends:
        return "span"
    if begins:
        return "since"
    return "until" if ends else "unknown"


def _ends(span: Days) -> dict[str, str]:
    return {"first": f"{span[0]}", "last": f"{span[1]}"}


def amount(language: Language, evidence: Evidence) -> str:
    """The standardised value, score or answer of a measurement."""
    if evidence.answer:
        return evidence.answer
    if evidence.value is None:
        return language.say("evidence", "no-usable-value", {})
    return f"{shown_interval(evidence.value)} {evidence.unit}".rstrip()


def formula(language: Language, labs: Labs, text: str) -> str:
    """A formula (see `Measurement`) with its labs as people call them."""
    named = _LAB.sub(lambda found: title(labs, found[0]), text)
    return _UNUSABLE.sub(language.say("evidence", "not-usable-part", {}), named)


def unusable(language: Language, labs: Labs, reason: Reason) -> str:
    """Why a reading cannot be used, in one sentence.

    Of a computed one the labs in it are those that the core names: `part`, `one` and `other`.
    """
    about = tuple(
        (name, title(labs, said) if name == "part" else formula(language, labs, said))
        if name in _OF_COMPUTED
        else (name, said)
        for name, said in reason.about
    )
    return sentence(replace(reason, about=about), language)


def line(language: Language, labs: Labs, evidence: Evidence) -> str:
    """`platelets 151 10*3/uL = 151 10*9/L, collected 2026-05-04`, and the like for other facts."""
    if evidence.shows.code == Shows.MEASUREMENT:
        return _measurement(language, labs, evidence)
    return _LINES.get(evidence.shows.code, _person)(language, evidence)


def _person(language: Language, evidence: Evidence) -> str:
    """`born 1950-03-01`, `recorded as male`."""
    about = dict(evidence.shows.about)
    if "gender" in about:
        about["gender"] = language.word("gender", about["gender"])
    if evidence.days is not None:
        about["days"] = days(language, evidence.days)
    return language.say("evidence", evidence.shows.code, about)


def _consent(language: Language, evidence: Evidence) -> str:
    about, span = dict(evidence.shows.about), evidence.days
    given = {} if span is None else {"days": days(language, span)}
    said = {
        "state": language.word("consent-state", about["state"]),
        "permits": language.word("consent-permits", about["permits"]),
        "given": language.say("evidence", "given", given) if given else "",
    }
    return language.say("evidence", "consent", said)


def statement(language: Language, evidence: Evidence) -> str:
    """What a person states, who it is, and whether that was established."""
    about = dict(evidence.shows.about)
    span = evidence.days
    signed = {} if span is None else {"days": days(language, span)}
    known = "established" if about["verified"] == "yes" else "self-declared"
    said = {
        "said": language.word("verdict", about["verdict"]),
        "signed": language.say("evidence", "signed", signed) if signed else "",
        "known": language.say("evidence", known, {}),
    }
    return language.say("evidence", "attestation", {**about, **said})


def _text(_language: Language, evidence: Evidence) -> str:
    """What an earlier release kept as a sentence."""
    return dict(evidence.shows.about)["text"]


def _given(language: Language, evidence: Evidence) -> str:
    """`nivolumab of 2026-01-02, given`."""
    outcome = language.word("outcome", dict(evidence.shows.about)["outcome"])
    return language.say("evidence", "dose", {"dose": dose(language, evidence), "outcome": outcome})


def _done(language: Language, evidence: Evidence) -> str:
    """`Immunotherapy of 2026-01-02, done`."""
    outcome = language.word("procedure", dict(evidence.shows.about)["outcome"])
    more = {"dose": dose(language, evidence), "outcome": outcome}
    return language.say("evidence", "procedure", more)


def _use(language: Language, evidence: Evidence) -> str:
    """`prednisone since 2026-01-02, stated as taken, oral, for asthma`."""
    about = dict(evidence.shows.about)
    routes = [said for name, said in evidence.shows.about if name == "route"]
    parts = []
    if routes:
        parts.append(language.say("evidence", "use-route", {"routes": ", ".join(routes)}))
    if "indication" in about:
        parts.append(language.say("evidence", "use-for", about))
    use = language.word("use", about["use"])
    more = {"dose": dose(language, evidence), "use": use, "details": "".join(parts)}
    return language.say("evidence", "use", more)


def _condition(language: Language, evidence: Evidence) -> str:
    """`Stroke of 2020, active, confirmed`."""
    about = dict(evidence.shows.about)
    name = about["condition"]
    if evidence.days is not None:
        name = f"{name} {of_days(language, evidence.days)}"
    words = {part: language.word(part, about[part]) for part in ("state", "verification")}
    return language.say("evidence", "condition", {"condition": name, **words})


_LINES: Mapping[str, Callable[[Language, Evidence], str]] = {
    Shows.DOSE: _given,
    Shows.USE: _use,
    Shows.PROCEDURE: _done,
    Shows.CONDITION: _condition,
    Shows.CONSENT: _consent,
    Shows.ATTESTATION: statement,
    "text": _text,
}
"""How facts that are no measurements are told; those of the person by `_person`."""


def dose(language: Language, evidence: Evidence) -> str:
    """The drug as the hospital calls it, and the day."""
    about = dict(evidence.shows.about)
    drug = (
        about.get("drug") or about.get("condition") or language.say("evidence", "unnamed-drug", {})
    )
    if evidence.days is None:
        return language.say("evidence", "drug-undated", {"drug": drug})
    return f"{drug} {of_days(language, evidence.days)}"


def _measurement(language: Language, labs: Labs, evidence: Evidence) -> str:
    sent = f"{evidence.original.value} {evidence.original.unit}".strip()
    steps = [sent] if sent else []
    if evidence.not_usable is None and amount(language, evidence) != sent:
        steps.append(amount(language, evidence))
    lab = title(labs, evidence.lab)
    parts = [f"{lab} {' = '.join(steps) or language.say('evidence', 'no-value', {})}"]
    if evidence.uln is not None and evidence.multiple is not None:
        uln = {
            "times": shown_interval(evidence.multiple),
            "uln": shown(evidence.uln),
            "unit": evidence.unit,
        }
        parts.append(language.say("evidence", "multiple", uln))
    if evidence.formula:
        parts.append(formula(language, labs, evidence.formula))
    if evidence.days is None:
        parts.append(language.say("evidence", "undated", {}))
    else:
        collected = {"days": days(language, evidence.days)}
        parts.append(language.say("evidence", "collected", collected))
    return ", ".join(parts)


def notes(language: Language, labs: Labs, evidence: Evidence) -> list[str]:
    """What was mapped on the way, and why a reading could not be used."""
    said = [sentence(note, language) for note in evidence.notes]
    if evidence.not_usable is not None and evidence.shows.code == Shows.ATTESTATION:
        said.append(not_counted(language, evidence.not_usable))
    elif evidence.not_usable is not None:
        why = unusable(language, labs, evidence.not_usable)
        about = {"code": evidence.not_usable.code, "why": why}
        said.append(language.say("evidence", "not-usable", about))
    return said


def not_counted(language: Language, why: Reason) -> str:
    """Why what a person states does not count."""
    roles = [said for name, said in why.about if name == "allowed"]
    return language.say(
        "not-counted", why.code, {**dict(why.about), "allowed": language.listed(roles, "or")}
    )
