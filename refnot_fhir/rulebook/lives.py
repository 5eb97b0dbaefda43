"""life.toml as values."""

from __future__ import annotations

from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.life import (
    Actor,
    Life,
    MilestoneRule,
    Need,
    Stage,
    StatusReason,
    StatusRule,
    Verb,
)
from refnot_fhir.rulebook.codes import Systems, codes
from refnot_fhir.rulebook.files import MappingFile, Table


def life(file: MappingFile, systems: Systems) -> Life:
    """Statuses, verbs, reasons and milestones, every name in them checked."""
    table = file.content
    for key, named in _named(table):
        if named not in table["status"]:
            raise file.wrong(key, f"{named!r} is no status", table["status"])
    for name, verb in table["verb"].items():
        if "milestone" in verb and verb["milestone"] not in table["milestones"]:
            reason = f"{verb['milestone']!r} is no milestone"
            raise file.wrong(f"verb.{name}.milestone", reason, table["milestones"])

    def coded(key: str, said: Table) -> tuple[CodeKey, ...]:
        return tuple(codes(file, f"{key}.codes", said.get("codes", {}), systems))

    return Life(
        statuses={name: _status(name, said) for name, said in table["status"].items()},
        verbs={name: Verb(name, **said) for name, said in table["verb"].items()},
        reasons={
            name: StatusReason(
                name, said["title"], frozenset(said["to"]), coded(f"reason.{name}", said)
            )
            for name, said in table["reason"].items()
        },
        milestones={
            name: MilestoneRule(name, said["title"], coded(f"milestones.{name}", said))
            for name, said in table["milestones"].items()
        },
        accrual=frozenset(table["accrual"]),
    )


def _named(table: Table) -> list[tuple[str, str]]:
    """Where a status is named, and which."""
    found = [
        (f"status.{name}.next", after)
        for name, said in table["status"].items()
        for after in said["next"]
    ]
    found += [
        (f"verb.{name}.to", said["to"]) for name, said in table["verb"].items() if "to" in said
    ]
    return found + [
        (f"reason.{name}.to", status)
        for name, said in table["reason"].items()
        for status in said["to"]
    ]


def _status(name: str, said: Table) -> StatusRule:
    return StatusRule(
        code=name,
        meaning=said["meaning"],
        stage=Stage(said["stage"]),
        next={after: frozenset(map(Actor, who)) for after, who in said["next"].items()},
        needs=frozenset(map(Need, said.get("needs", ()))),
        person_needs=frozenset(map(Need, said.get("person_needs", ()))),
    )
