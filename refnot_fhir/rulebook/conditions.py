"""conditions.toml as values."""

from __future__ import annotations

from collections.abc import Mapping

from refnot_fhir.core.dictionary import CodeKey, ConditionSet
from refnot_fhir.rulebook.codes import Systems, codes
from refnot_fhir.rulebook.files import MappingFile, Table

ConditionSets = dict[str, ConditionSet]


def condition_sets(file: MappingFile, systems: Systems) -> ConditionSets:
    """Every set of conditions.toml, with the sets that it includes however deep."""
    tables: Mapping[str, Table] = file.content.get("set", {})
    for name, table in tables.items():
        for part in ("includes", "denies", "contradicts"):
            for other in table.get(part, ()):
                if other not in tables or other == name:
                    others = [one for one in tables if one != name]
                    reason = f"{other!r} is not another set"
                    raise file.wrong(f"set.{name}.{part}", reason, others)
    return {name: _set(file, name, tables, systems) for name in tables}


def _set(
    file: MappingFile, name: str, tables: Mapping[str, Table], systems: Systems
) -> ConditionSet:
    table = tables[name]

    def read(part: str) -> dict[CodeKey, str]:
        return codes(file, f"set.{name}.{part}", table.get(part, {}), systems)

    found = ConditionSet(
        name=name,
        title=table["title"],
        prefixes=tuple(read("prefixes")),
        exceptions=tuple(read("exceptions")),
        codes=frozenset(read("codes")),
        suffixes=tuple(read("suffixes")),
        includes=_included(name, tables),
        resource_types=frozenset(table.get("resource_types", ())),
        denies=frozenset(table.get("denies", ())),
        contradicts=frozenset(table.get("contradicts", ())),
        left_open_by=frozenset(table.get("left_open_by", ())),
        source=table["source"],
    )
    if not (found.codes or found.prefixes or found.includes or found.resource_types):
        raise file.wrong(f"set.{name}", "it says of nothing that it belongs to it")
    return found


def _included(name: str, tables: Mapping[str, Table]) -> frozenset[str]:
    found = [name]
    for one in found:
        found += (other for other in tables[one].get("includes", ()) if other not in found)
    return frozenset(found[1:])
