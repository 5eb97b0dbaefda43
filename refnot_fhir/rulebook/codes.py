"""Code tables of the mapping files, with the short names of code systems spelt out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from refnot_fhir.core.dictionary import CodeKey
from refnot_fhir.core.translate.units import normalise
from refnot_fhir.rulebook.files import MappingFile, Table

Systems = Mapping[str, str]
"""Short name of a code system to its address."""


def folded(text: str) -> str:
    """An answer in text as answers are compared: Unicode, spaces and case normalised."""
    return normalise(text).casefold()


def codes(file: MappingFile, key: str, table: Table, systems: Systems) -> dict[CodeKey, str]:
    """`{system: {code: meaning}}` as (system address, code) to meaning."""
    return dict(_entries(file, key, table, systems))


def _entries(
    file: MappingFile, key: str, table: Table, systems: Systems
) -> Iterator[tuple[CodeKey, str]]:
    for short, entries in table.items():
        system = address(file, f"{key}.{short}", short, systems)
        for code, meaning in entries.items():
            yield (system, code), meaning


def address(file: MappingFile, key: str, short: str, systems: Systems) -> str:
    """The address of a code system by its short name."""
    if short not in systems:
        raise file.wrong(key, f"no code system is called {short!r}", systems)
    return systems[short]


def code(file: MappingFile, key: str, text: str, systems: Systems) -> CodeKey:
    """`system|code`, the system by its short name."""
    short, _, value = text.partition("|")
    return address(file, key, short, systems), value


def texts(file: MappingFile, key: str, table: Mapping[str, list[str]]) -> dict[str, str]:
    """`{name: [text, …]}` as folded text to name; a text with two meanings is wrong."""
    found: dict[str, str] = {}
    for name, words in table.items():
        for word in words:
            if found.setdefault(folded(word), name) != name:
                raise file.wrong(f"{key}.{name}", f"{word!r} already means {found[folded(word)]}")
    return found
