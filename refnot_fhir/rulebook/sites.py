"""sites/<hospital>.toml as values."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from refnot_fhir.core.rules import CodeKey, Lab, Site, UpperLimit
from refnot_fhir.core.units import normalise
from refnot_fhir.rulebook.codes import Systems, address, code
from refnot_fhir.rulebook.dictionaries import Dimensions, Labs
from refnot_fhir.rulebook.files import MappingFile, Table

_ANY_SEX = "any"


def site(file: MappingFile, name: str, *, known: Labs, units: Dimensions, systems: Systems) -> Site:
    """One hospital, its local words checked against the dictionaries."""
    table = file.content
    local = {**systems, **table.get("systems", {})}
    return Site(
        name=name,
        title=table["title"],
        fhir=table["fhir"],
        zone=_zone(file, table["time_zone"]),
        keep=table.get("keep", "protocol"),
        propose=table.get("propose", "all"),
        codes=dict(_meanings(file, "codes", table, local)),
        swapped=dict(_meanings(file, "swapped", table, local)),
        units=_units(file, table, units),
        decimal_comma=_holds(table, "decimal_comma"),
        range_text=_holds(table, "range_text"),
        dates_in_utc=_holds(table, "dates_in_utc"),
        upper_limits=dict(_upper_limits(file, table, known=known, units=units)),
    )


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


def _units(file: MappingFile, table: Table, known: Dimensions) -> dict[str, str]:
    found = {}
    for spelling, entry in table.get("units", {}).items():
        _check_unit(file, f'units."{spelling}".means', entry["means"], known)
        found[normalise(spelling)] = entry["means"]
    return found


def _check_unit(file: MappingFile, key: str, unit: str, known: Dimensions) -> None:
    if not any(unit in dimension.factors for dimension in known.values()):
        raise file.wrong(key, f"{unit!r} is not a UCUM unit of units.toml")


def _upper_limits(
    file: MappingFile, table: Table, *, known: Labs, units: Dimensions
) -> Iterator[tuple[tuple[str, str], UpperLimit]]:
    for name, by_sex in table.get("upper_limits", {}).items():
        key = f"upper_limits.{name}"
        lab = known.get(name)
        if lab is None or lab.kind != "quantity":
            raise file.wrong(key, "not a lab with a quantity", _quantities(known))
        for sex, entry in by_sex.items():
            _check_dimension(file, f"{key}.{sex}.unit", entry["unit"], lab=lab, units=units)
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
