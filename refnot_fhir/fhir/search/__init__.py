"""A search as it was asked, understood, and held against resources in memory.

https://hl7.org/fhir/R4/search.html. A parameter that is not known is ignored, and says so in
`Search.ignored` (strict handling makes an error of that). A known parameter with a modifier that
is not offered, or with a value that cannot be one, is refused: without it the answer would be
another one than was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from refnot_fhir.core.record import record
from refnot_fhir.errors import BadInput, Problem
from refnot_fhir.fhir.definitions import resource_types
from refnot_fhir.fhir.search import match as matching
from refnot_fhir.fhir.search.clause import (
    MODIFIERS,
    Clause,
    Json,
    NotOffered,
    Resolve,
    chain_target,
    clause_of,
    holds,
)
from refnot_fhir.fhir.search.parameters import includes, parameters
from refnot_fhir.fhir.search.values import Setting
from refnot_fhir.fhir.versions import Version

__all__ = ["CONTROLS", "MODIFIERS", "Clause", "Search", "included", "matches", "parse"]

Args = tuple[tuple[str, str], ...]
_COUNT_ONLY = "count"
# Whoever writes such a name means a parameter; any other may be a value in the wrong place.
_NAME = re.compile(r"[_a-z][A-Za-z0-9_-]{0,63}")


@record
class Search:
    """A search: every clause has to hold."""

    type: str
    version: Version
    setting: Setting
    clauses: tuple[Clause, ...] = ()
    includes: tuple[str, ...] = ()
    """As asked for: `ResearchSubject:study`."""
    count: int | None = None
    """Most matches on a page."""
    count_only: bool = False
    """Only how many match is asked for."""
    used: tuple[tuple[str, str], ...] = ()
    """The parameters that were understood, as sent: those of the `self` link."""
    ignored: tuple[Problem, ...] = ()

    def of(self, name: str) -> tuple[Clause, ...]:
        """The clauses of a parameter."""
        return tuple(clause for clause in self.clauses if clause.parameter.name == name)


def parse(
    type: str,
    args: Iterable[tuple[str, str]],
    version: Version,
    *,
    now: datetime,
    zone: tzinfo = UTC,
    base: str = "",
    also: Collection[str] = (),
) -> Search:
    """The search that decoded query parameters ask for.

    `also` names parameters that the caller handles itself (`_format`, its page marker). Dates
    without an offset are read in `zone`; `base` is the address of the service. Raises BadInput
    naming every parameter that cannot be taken; KeyError for a type that cannot be searched.
    """
    kept = tuple([one for one in args if one[0] not in also])
    length = sum([len(name) + len(text) for name, text in kept])
    # What is asked again is understood already, unless it means something else at each moment.
    if length > _LONGEST_REMEMBERED or any(_NEAR_NOW in text for _, text in kept):
        return _read(type, kept, version, Setting(zone, now, base))
    return _remembered(type, kept, version, zone, base)


_LONGEST_REMEMBERED = 500
"""Characters in the parameters of a search."""
_NEAR_NOW = "ap"
"""The prefix of dates that are compared the less exactly, the farther they are from today."""
_NO_MOMENT = datetime.min.replace(tzinfo=UTC)


@lru_cache(maxsize=512)
def _remembered(type: str, args: Args, version: Version, zone: tzinfo, base: str) -> Search:
    return _read(type, args, version, Setting(zone, _NO_MOMENT, base))


def _read(type: str, args: Args, version: Version, setting: Setting) -> Search:
    reading = _Reading(type, version, setting)
    for name, text in args:
        if text:
            reading.take(name, text)
        else:
            reading.ignore(name, "value", "it has no value")
    if reading.problems:
        said = "; ".join(problem.message for problem in reading.problems)
        raise BadInput(said, tuple(reading.problems))
    count_only = reading.summary == _COUNT_ONLY or reading.count == 0
    return Search(
        type,
        version,
        reading.setting,
        clauses=tuple(reading.clauses),
        includes=tuple(dict.fromkeys(reading.includes)),
        count=None if count_only else reading.count,
        count_only=count_only,
        used=tuple(reading.used),
        ignored=tuple(reading.ignored),
    )


def matches(search: Search, resource: Json, *, resolve: Resolve = lambda _: None) -> bool:
    """Whether a resource, written in the version of the search, is asked for.

    `resolve` finds the targets of chained parameters.
    """
    return all(holds(clause, resource, search.setting, resolve) for clause in search.clauses)


def included(search: Search, resource: Json) -> Iterator[str]:
    """The references (`Patient/p1`) of a match that `_include` asks for, each once."""
    known = parameters(search.type, search.version)
    found: dict[str, None] = {}
    for asked in search.includes:
        _, name, *types = asked.split(":")
        for element in known[name].extract(resource):
            address = matching.local(element, search.setting.base)
            if address and (not types or address.startswith(f"{types[0]}/")):
                found[address] = None
    yield from found


class _Reading:
    """A search being read, parameter by parameter."""

    __slots__ = (
        "clauses",
        "count",
        "ignored",
        "includes",
        "known",
        "problems",
        "setting",
        "summary",
        "type",
        "used",
        "version",
    )  # fmt: skip

    def __init__(self, type: str, version: Version, setting: Setting) -> None:
        self.type = type
        self.version = version
        self.setting = setting
        self.known = parameters(type, version)
        self.clauses: list[Clause] = []
        self.includes: list[str] = []
        self.count: int | None = None
        self.summary = ""
        self.used: list[tuple[str, str]] = []
        self.ignored: list[Problem] = []
        self.problems: list[Problem] = []

    def take(self, name: str, text: str) -> None:
        """Understand one parameter, or note why not."""
        control = _CONTROLS.get(name)
        shown = _shown(name)
        try:
            why_not = self.clause(name, text) if control is None else control(self, text)
        except ValueError as error:
            code = "not-supported" if isinstance(error, NotOffered) else "value"
            self.problems.append(Problem(code, f"{shown}: {error}", f"http.{shown}"))
            return
        if why_not:
            self.ignore(name, "not-supported", why_not)
        else:
            self.used.append((name, text))

    def ignore(self, name: str, code: str, why: str) -> None:
        """Note a parameter that is left out."""
        shown = _shown(name)
        self.ignored.append(Problem(code, f"{shown} was ignored: {why}", f"http.{shown}"))

    def clause(self, name: str, text: str) -> str:
        """Add a clause; or why it is ignored."""
        own, dot, chained = name.partition(".")
        bare, _, modifier = own.partition(":")
        parameter = self.known.get(bare)
        if parameter is None:
            return f"{self.type} has no such search parameter here"
        if not dot:
            self.clauses.append(clause_of(parameter, modifier, text, self.setting))
            return ""
        inner, _, inner_modifier = chained.partition(":")
        if inner not in parameter.chains:
            return "it cannot be followed that way"
        target = chain_target(parameter, modifier)
        following = parameters(target, self.version)[inner]
        beyond = clause_of(following, inner_modifier, text, self.setting)
        self.clauses.append(Clause(parameter, modifier=target, chained=beyond))
        return ""

    def set_count(self, text: str) -> str:
        if not (text.isascii() and text.isdigit()):
            raise ValueError("is not a whole number from 0")
        # A page has a size of its own at most, so a number beyond all measure is none to refuse.
        self.count = int(text[:9])
        return ""

    def set_summary(self, text: str) -> str:
        if text not in ("true", "text", "data", "count", "false"):
            raise ValueError("is none of true, text, data, count, false")
        if text not in (_COUNT_ONLY, "false"):
            return "only count and false are offered; resources are given whole"
        self.summary = text
        return ""

    def set_total(self, text: str) -> str:
        if text not in ("none", "estimate", "accurate"):
            raise ValueError("is none of none, estimate, accurate")
        return ""

    def include(self, text: str) -> str:
        offered = includes(self.type, self.version)
        if text == "*":
            self.includes += offered
            return ""
        asked, _, target = text.rpartition(":") if text.count(":") == 2 else (text, "", "")
        if asked not in offered:
            return f"_include may be {', '.join(offered)} or *" if offered else "nothing to include"
        self.includes.append(f"{asked}:{target}" if target else asked)
        return ""


def _shown(name: str) -> str:
    """A parameter's name as it may be repeated."""
    parts = name.replace(".", ":").split(":")
    if all(_NAME.fullmatch(part) or part in resource_types() for part in parts):
        return name
    return parts[0] if _NAME.fullmatch(parts[0]) else "a parameter"


_CONTROLS: Mapping[str, Callable[[_Reading, str], str]] = {
    "_count": _Reading.set_count,
    "_summary": _Reading.set_summary,
    "_total": _Reading.set_total,
    "_include": _Reading.include,
}
CONTROLS = tuple(_CONTROLS)
"""Parameters that shape the answer and do not choose what is in it."""
