"""sites/<hospital>.toml as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from refnot_fhir.core.dictionary import CodeKey, Lab
from refnot_fhir.core.facts import CompleteFeed
from refnot_fhir.core.record import record
from refnot_fhir.core.site import Site, UpperLimit, VialStrength
from refnot_fhir.core.translate.drug import plain
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook.codes import Systems, address, code
from refnot_fhir.rulebook.dictionaries import Dimensions, Labs
from refnot_fhir.rulebook.files import MappingFile, Table
from refnot_fhir.rulebook.medicines import Drugs, amount

_ANY_SEX = "any"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
NOT_A_SITE = frozenset({"fhir", "health", "records", "static"})
"""First segments of addresses that mean something else."""


@record
class Words:
    """What a hospital's file refers to by name."""

    labs: Labs
    dimensions: Dimensions
    drugs: Drugs

    def units(self) -> frozenset[str]:
        """Every unit that a local one may mean: of a lab, or of a dose."""
        labs = (unit for dimension in self.dimensions.values() for unit in dimension.factors)
        doses = (
            unit
            for drug in self.drugs.values()
            for unit in (*drug.dose_units, *drug.count_units, *drug.volume_units)
        )
        return frozenset((*labs, *doses))


def check_name(name: str) -> None:
    """Refuse the name of a file that cannot be the first segment of an address: `/<site>/fhir`."""
    if not _NAME.fullmatch(name):
        reason = "a site is called with a-z, 0-9 and - only, at most 64 of them"
    elif name in NOT_A_SITE:
        reason = f"/{name} is an address of the service itself: call the site otherwise"
    else:
        return
    raise BadMapping(f"sites/{name}.toml: file name: {reason}")


def site(file: MappingFile, name: str, *, words: Words, systems: Systems) -> Site:
    """One hospital, its local words checked against the dictionaries."""
    table = file.content
    local = {**systems, **table.get("systems", {})}
    return Site(
        name=name,
        title=table["title"],
        fhir=table["fhir"],
        zone=_zone(file, table["time_zone"]),
        keep=table.get("keep", "protocol"),
        writes=table.get("writes", ""),
        propose=table.get("propose", "all"),
        base_urls=tuple(url.rstrip("/") for url in table.get("base_urls", ())),
        codes=dict(_meanings(file, "codes", table, local)),
        swapped=dict(_meanings(file, "swapped", table, local)),
        units=_units(file, table, words),
        decimal_comma=_holds(table, "decimal_comma"),
        range_text=_holds(table, "range_text"),
        dates_in_utc=_holds(table, "dates_in_utc"),
        upper_limits=dict(_upper_limits(file, table, words)),
        vials=tuple(_vials(file, table, words, local)),
        administrations=_administrations(file, table),
    )


def _vials(
    file: MappingFile, table: Table, words: Words, systems: Systems
) -> Iterator[VialStrength]:
    for index, entry in enumerate(table.get("vials", ())):
        key, drug = f"vials[{index}]", words.drugs.get(entry["drug"])
        if drug is None or not drug.vial_strengths:
            vials = [name for name, known in words.drugs.items() if known.vial_strengths]
            raise file.wrong(f"{key}.drug", "no drug that comes in vials of known strength", vials)
        holds = amount(file, f"{key}.holds", entry["holds"], drug)
        if holds not in drug.vial_strengths:
            known = [str(strength) for strength in drug.vial_strengths]
            reason = f"no vial of {drug.title} holds {holds} {drug.unit}"
            raise file.wrong(f"{key}.holds", reason, known)
        said = entry.get("code")
        product = None if said is None else code(file, f"{key}.code", said, systems)
        yield VialStrength(drug.name, holds, product, plain(entry.get("text", "")))


def _administrations(file: MappingFile, table: Table) -> CompleteFeed | None:
    said = table.get("administrations")
    if said is None:
        return None
    try:
        since = date.fromisoformat(said["complete_since"])
    except ValueError as error:
        raise file.wrong("administrations.complete_since", f"no date: {error}") from error
    return CompleteFeed(since, said["stated_by"])


def _zone(file: MappingFile, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = f"{name!r} is not an IANA time zone such as Europe/Moscow"
        raise file.wrong("time_zone", reason) from error


def _holds(table: Table, name: str) -> bool:
    return bool(table.get(name, {}).get("on", False))


def _meanings(
    file: MappingFile, part: str, table: Table, systems: Systems
) -> Iterator[tuple[CodeKey, CodeKey]]:
    for short, entries in table.get(part, {}).items():
        system = address(file, f"{part}.{short}", short, systems)
        for local, entry in entries.items():
            key = f"{part}.{short}.{local}.means"
            yield (system, local), code(file, key, entry["means"], systems)


def _units(file: MappingFile, table: Table, words: Words) -> dict[str, str]:
    found, known = {}, words.units()
    for spelling, entry in table.get("units", {}).items():
        if entry["means"] not in known:
            reason = f"{entry['means']!r} is neither a UCUM unit of units.toml nor one of a dose"
            raise file.wrong(f'units."{spelling}".means', reason)
        found[normalise(spelling)] = entry["means"]
    return found


def _upper_limits(
    file: MappingFile, table: Table, words: Words
) -> Iterator[tuple[tuple[str, str], UpperLimit]]:
    for name, by_sex in table.get("upper_limits", {}).items():
        key = f"upper_limits.{name}"
        lab = words.labs.get(name)
        if lab is None or lab.kind != "quantity":
            raise file.wrong(key, "not a lab with a quantity", _quantities(words.labs))
        for sex, entry in by_sex.items():
            place = f"{key}.{sex}.unit"
            _check_dimension(file, place, entry["unit"], lab=lab, units=words.dimensions)
            limit = UpperLimit(Decimal(entry["value"]), entry["unit"], entry["source"])
            yield (name, "" if sex == _ANY_SEX else sex), limit


def _quantities(known: Labs) -> list[str]:
    return [lab.name for lab in known.values() if lab.kind == "quantity"]


def _check_dimension(
    file: MappingFile, key: str, unit: str, *, lab: Lab, units: Dimensions
) -> None:
    usable = [name for kind in (lab.dimension, *lab.conversions) for name in units[kind].factors]
    if unit not in usable:
        raise file.wrong(key, f"{unit!r} does not measure {lab.title}", usable)
