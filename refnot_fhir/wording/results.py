"""Why a criterion has its verdict and a subject its status, in sentences for a coordinator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from refnot_fhir.core.exact import shown
from refnot_fhir.core.intervals import shown_interval
from refnot_fhir.core.life import Finding
from refnot_fhir.core.record import record
from refnot_fhir.core.results import (
    CriterionResult,
    Evidence,
    ReasonCode,
    Role,
    Shows,
    StatusChange,
)
from refnot_fhir.core.rules import Relation
from refnot_fhir.core.verdict import RuleKind, Verdict
from refnot_fhir.wording import Language
from refnot_fhir.wording.evidence import (
    Labs,
    amount,
    dose,
    line,
    not_counted,
    of_days,
    statement,
    title,
    unusable,
)
from refnot_fhir.wording.readings import sentence
from refnot_fhir.wording.rules import limit

_NAMED = 5
"""So many pieces of evidence are named at most where there may be many."""

_STATED = frozenset(
    {
        *(ReasonCode.ATTESTED, ReasonCode.OVERRULED, ReasonCode.REOPENED, ReasonCode.DISPUTED),
        ReasonCode.APPLIES_DISPUTED,
        ReasonCode.STATEMENTS_DIFFER,
    }
)
"""Reasons that a person's statement is a part of."""
_DECIDED = frozenset({ReasonCode.WITHIN_LIMIT, ReasonCode.BEYOND_LIMIT})


def why(language: Language, labs: Labs, result: CriterionResult) -> str:
    """Why the criterion has its verdict, and what would settle it if that is unknown.

    `labs` are those of the protocol, or the dictionary's.
    """
    if result.rule is None:
        return language.say("said", "text", dict(result.reason.about))
    it = _Said(language, labs, result)
    said = _attestation if result.reason.code in _STATED else _COMPOSED.get(result.rule, _plain)
    return said(it) + "".join(_of_people(it))


def why_status(language: Language, labs: Labs, change: StatusChange) -> str:
    """Why a subject has a status from a day on."""
    if change.reason.code == "text":
        return language.reason("said", change.reason)
    about = dict(change.reason.about)
    if change.result is not None:
        about["why"] = why(language, labs, change.result)
    about["criteria"] = ", ".join(
        value for name, value in change.reason.about if name == "criterion"
    )
    about["decisions"] = ", ".join(
        value for name, value in change.reason.about if name == "decision"
    )
    return language.say("subject", change.reason.code, about)


def why_finding(language: Language, finding: Finding) -> str:
    """What contradicts an enrolment."""
    about = {"criterion": finding.criterion, "was": finding.was, "now": finding.now}
    on = "" if finding.on is None else finding.on.isoformat()
    return language.say("findings", finding.code, {**about, "on": on})


@record
class _Said:
    """A result about to be put into words."""

    language: Language
    labs: Labs
    result: CriterionResult

    @property
    def about(self) -> dict[str, str]:
        return dict(self.result.reason.about)

    @property
    def code(self) -> str:
        """Of the reason; for an answer that something contradicts, that of the answer alone."""
        return self.about.get("newest", self.result.reason.code)

    def all(self, name: str) -> list[str]:
        """Every value of a parameter that is given more than once."""
        return [value for key, value in self.result.reason.about if key == name]

    def of(self, role: Role) -> list[Evidence]:
        return [it for it in self.result.evidence if it.role == role]

    def say(self, section: str, code: str, **more: str) -> str:
        window = self.result.window
        days = {} if window is None else {"first": f"{window[0]}", "last": f"{window[1]}"}
        return self.language.say(f"result-{section}", code, {**days, **self.about, **more})

    def either(self, words: Iterable[str]) -> str:
        """`granulocytes or neutrophils`."""
        return self.language.sections["words"]["or"].join(words)

    def title(self, lab: str) -> str:
        return title(self.labs, lab)

    def asked(self) -> str:
        return self.either(map(self.title, self.all("lab")))

    def days(self, evidence: Evidence) -> str:
        return "" if evidence.days is None else of_days(self.language, evidence.days)

    def named(self, readings: Iterable[Evidence]) -> str:
        """`platelets 151 10*9/L of 2026-05-04, platelets 90 10*9/L of 2026-05-04`."""
        return ", ".join(
            f"{self.title(it.lab)} {amount(self.language, it)} {self.days(it)}" for it in readings
        )

    def lines(self, evidence: list[Evidence]) -> str:
        """The first few, each with what it is."""
        shown = ", ".join(line(self.language, self.labs, it) for it in evidence[:_NAMED])
        rest = len(evidence) - _NAMED
        return shown if rest <= 0 else shown + self.say("medication", "more", count=f"{rest}")

    def answered(self, it: Evidence) -> str:
        """`who status: 1, of 2026-05-04`."""
        return f"{self.title(it.lab)}: {amount(self.language, it)}, {self.days(it)}"


def _plain(it: _Said) -> str:
    """The template of the reason, filled with its parameters."""
    return it.say(f"{it.result.rule}", it.code)


def _age(it: _Said) -> str:
    about = it.about
    if it.code in (ReasonCode.NO_EVIDENCE, ReasonCode.IMPLAUSIBLE):
        return it.say("age", it.code)
    several = about["youngest"] != about["oldest"]
    limits = (
        it.language.say("rule", name, {"limit": about[name]})
        for name in (Relation.AT_LEAST, Relation.AT_MOST)
        if name in about
    )
    asked = it.language.sections["words"]["and"].join(limits)
    return it.say("age", it.code, age=it.say("age", "ages" if several else "age"), asked=asked)


def _newest(it: _Said, decided: Callable[[_Said, Evidence], str]) -> str:
    """What the newest reading says, or why none decides."""
    settle = it.say("newest", "settle", asked=it.asked())
    rivals = it.of(Role.GOVERNS)
    if not rivals:
        return it.say("newest", "no-evidence", asked=it.asked(), settle=settle)
    if it.code == ReasonCode.NEWEST_UNCLEAR:
        return it.say("newest", it.code, named=it.named(rivals))
    first = rivals[0]
    about = {"lab": it.title(first.lab), "days": it.days(first), "settle": settle}
    if it.code in (ReasonCode.OUTSIDE_WINDOW, ReasonCode.WINDOW_UNCLEAR):
        return it.say("newest", it.code, **about)
    if first.not_usable is not None:
        why = unusable(it.language, it.labs, first.not_usable)
        return it.say("newest", "not-usable", why=why, **about)
    return decided(it, first)


def _lab(it: _Said) -> str:
    return _newest(it, _compared)


def _compared(it: _Said, first: Evidence) -> str:
    """What comparing the newest reading with the limits came to."""
    asked = it.all("lab")
    bounds = [(name, it.about[name]) for name in Relation if name in it.about]
    code = it.code
    if first.lab not in asked:
        is_beyond = code == ReasonCode.BEYOND_LIMIT
        code = "beyond-limit-of-whole" if is_beyond else ReasonCode.UPPER_BOUND
    elif first.ulns and code in _DECIDED:
        code = f"{code}-of-each"
    no_uln = "" if first.no_uln is None else sentence(first.no_uln, it.language)
    return it.say(
        "lab",
        code,
        what=_measured(it, first),
        limits=it.language.sections["words"]["and"].join(
            limit(it.language, name, *_parted(text)) for name, text in bounds
        ),
        asked=it.title(asked[0]),
        units=", ".join(unit for _, text in bounds if (unit := _parted(text)[1])),
        no_uln=no_uln,
    )


def _parted(text: str) -> tuple[Decimal, str]:
    value, _, unit = text.partition(" ")
    return Decimal(value), unit


def _measured(it: _Said, reading: Evidence) -> str:
    what = it.named([reading])
    if reading.multiple is not None:
        return it.say("lab", "multiple", what=what, times=shown_interval(reading.multiple))
    if reading.ulns:
        ulns = it.either(map(shown, reading.ulns))
        return it.say("lab", "limits", what=what, ulns=ulns, unit=reading.unit)
    return what


def _answer(it: _Said) -> str:
    about = it.about
    if it.code in (ReasonCode.NOT_APPLICABLE, ReasonCode.BEYOND_AGE):
        return it.say("answer", it.code, gender=it.language.word("gender", about["gender"]))
    if it.code == ReasonCode.CONTRADICTED:
        return it.say("answer", it.code, named=it.lines(it.of(Role.AGAINST)))
    said = _newest(it, lambda it, first: it.say("answer", it.code, what=it.answered(first)))
    for role in (Role.AGAINST, Role.BESIDE):
        if found := it.of(role):
            readings = it.named(one for one in found if one.lab)
            records = it.lines([one for one in found if not one.lab])
            said += it.say("answer", role, named=", ".join(filter(None, (readings, records))))
    return said


def _drug(it: _Said) -> str:
    governing = it.of(Role.GOVERNS)
    if governing and governing[0].lab:
        return _answered(it, governing)
    if not governing:
        return it.say("drug", "silence", silence=_silence(it), settle=_settle(it))
    if it.result.verdict is Verdict.MET:
        said = it.say("drug", it.code, dose=dose(it.language, governing[0]))
        beside = it.of(Role.BESIDE)[:1]
        return said + "".join(it.say("drug", "beside", what=it.answered(one)) for one in beside)
    doses = dict.fromkeys(dose(it.language, one) for one in governing)
    doubt = it.say("doubt", it.code)
    return it.say("drug", "doubt", doses=", ".join(doses), doubt=doubt)


def _answered(it: _Said, answers: list[Evidence]) -> str:
    what = it.answered(answers[0])
    if it.result.verdict is not Verdict.UNKNOWN:
        return it.say("drug", "answered", what=what)
    others = [one for one in answers[1:] if one.answer != answers[0].answer][:1]
    later = "".join(
        it.say("drug", "later", day=f"{one.days[1]}", answer=one.answer)
        for one in others
        if one.days is not None
    )
    code = it.code if it.code in _LIMITED else "answer-unclear"
    return it.say("drug", code, what=what, later=later, settle=_settle(it))


_LIMITED = frozenset(
    {ReasonCode.ANSWER_EARLIER, ReasonCode.ANSWER_TOO_OLD, ReasonCode.WINDOW_UNCLEAR}
)


def _silence(it: _Said) -> str:
    """What was seen where nothing speaks for an administration of the class."""
    if "since" not in it.about:
        return it.say("drug", "nothing")
    if it.code != ReasonCode.NONE_ON_RECORD:
        return it.say("drug", "feed-too-short")
    unnamed = it.say("drug", "unnamed")
    names = [
        f"{name or unnamed} ({count})"
        for count, _, name in (text.partition(" ") for text in it.all("drug"))
    ]
    names += [it.say("drug", "other-drugs", count=count) for count in it.all("other-drugs")]
    seen = it.say("drug", "seen-named" if names else "seen", names=", ".join(names))
    return it.say("drug", it.code, seen=seen)


def _settle(it: _Said) -> str:
    if not it.all("lab"):
        return it.say("drug", "settle-by-person")
    return it.say("drug", "settle-by-answer", asked=it.asked())


def _consent(it: _Said) -> str:
    shown = it.of(Role.GOVERNS) or it.of(Role.BESIDE)
    return it.say(
        "consent",
        it.code,
        found="; ".join(line(it.language, it.labs, one) for one in shown),
        settle=it.say("consent", "settle", needs=it.about["needs"]),
    )


def _attestation(it: _Said) -> str:
    about, governing = it.about, it.of(Role.GOVERNS)
    named = [one for one in governing if one.shows.code == Shows.ATTESTATION]
    return it.say(
        "attestation",
        it.code,
        said=it.language.word("verdict", about["verdict"]),
        data=it.language.word("verdict", about["data"]),
        why=_ended(about["why"]),
        overrules=_ended(about.get("overrules", "")),
        facts="; ".join(line(it.language, it.labs, one) for one in it.of(Role.AGAINST)),
        named="; ".join(statement(it.language, one) for one in named),
    )


def _of_people(it: _Said) -> Iterator[str]:
    """What people say that does not decide: they are told why."""
    for one in it.result.evidence:
        if one.shows.code != Shows.ATTESTATION:
            continue
        said = statement(it.language, one)
        if one.not_usable is not None:
            why = not_counted(it.language, one.not_usable)
            yield it.say("attestation", "aside", statement=said, why=why)
        elif one.role == Role.AGAINST:
            yield it.say("attestation", "against", statement=said)


def _ended(text: str) -> str:
    """A person's words as a sentence."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _condition(it: _Said) -> str:
    counting = it.of(Role.GOVERNS) or it.of(Role.BESIDE)
    against = it.of(Role.AGAINST)
    return it.say("condition", it.code, named=it.lines(counting), against=it.lines(against))


def _medication(it: _Said) -> str:
    shown = it.lines(it.of(Role.GOVERNS) or it.of(Role.BESIDE))
    return it.say("medication", it.code, named=shown, against=it.lines(it.of(Role.AGAINST)))


_COMPOSED: Mapping[RuleKind, Callable[[_Said], str]] = {
    RuleKind.AGE: _age,
    RuleKind.LAB: _lab,
    RuleKind.ANSWER: _answer,
    RuleKind.DRUG: _drug,
    RuleKind.CONDITION: _condition,
    RuleKind.MEDICATION: _medication,
    RuleKind.CONSENT: _consent,
}
"""Kinds whose sentences depend on the evidence; the others are told by `_plain`."""
