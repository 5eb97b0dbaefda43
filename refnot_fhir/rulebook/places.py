"""places.toml as values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from refnot_fhir.core.dictionary import CodeKey, PlaceWords
from refnot_fhir.core.translate.drug import plain
from refnot_fhir.rulebook.codes import Systems, codes
from refnot_fhir.rulebook.files import MappingFile, Table

_Mark = TypeVar("_Mark")
_Meaning = TypeVar("_Meaning")
_SIDES = ("left", "right")


def places(file: MappingFile, systems: Systems) -> PlaceWords:
    """How routes and places are said; no code or text may mean two of them."""
    content = file.content
    routes = [(f"routes.{name}", table, name) for name, table in _named(content["routes"])]
    sites = list(_sites(content["sites"]))
    return PlaceWords(
        routes=_coded(file, routes, systems),
        route_texts=_written(file, routes),
        sites=_coded(file, sites, systems),
        site_texts=_written(file, sites),
        sides=_distinct(file, _sides(file, systems)),
        route_codes=_published(file, routes, systems),
        site_codes=_published(file, sites, systems),
    )


def route_names(places: PlaceWords) -> frozenset[str]:
    """Every route that is listed, by code or by text."""
    return frozenset((*places.routes.values(), *places.route_texts.values()))


def _sides(file: MappingFile, systems: Systems) -> Iterator[tuple[str, CodeKey, str]]:
    for name, table in _named(file.content["sides"]):
        for mark in codes(file, f"sides.{name}", table, systems):
            yield f"sides.{name}", mark, name


def _named(table: Table) -> Iterator[tuple[str, Table]]:
    """The tables of a table, past its notes on source and decision."""
    return ((name, value) for name, value in table.items() if isinstance(value, dict))


def _sites(table: Table) -> Iterator[tuple[str, Table, tuple[str, str]]]:
    for name, words in _named(table):
        yield f"sites.{name}", words, (name, "")
        for side in _SIDES:
            yield f"sites.{name}.{side}", words.get(side, {}), (name, side)


def _coded(
    file: MappingFile, tables: Iterable[tuple[str, Table, _Meaning]], systems: Systems
) -> dict[CodeKey, _Meaning]:
    return _distinct(
        file,
        (
            (key, mark, meaning)
            for key, table, meaning in tables
            for mark in codes(file, f"{key}.codes", table.get("codes", {}), systems)
        ),
    )


def _published(
    file: MappingFile, tables: Iterable[tuple[str, Table, _Meaning]], systems: Systems
) -> dict[_Meaning, CodeKey]:
    """The first code of everything that has one."""
    found: dict[_Meaning, CodeKey] = {}
    for key, table, meaning in tables:
        for mark in codes(file, f"{key}.codes", table.get("codes", {}), systems):
            found.setdefault(meaning, mark)
    return found


def _written(
    file: MappingFile, tables: Iterable[tuple[str, Table, _Meaning]]
) -> dict[str, _Meaning]:
    return _distinct(
        file,
        (
            (key, plain(text), meaning)
            for key, table, meaning in tables
            for text in table.get("texts", ())
        ),
    )


def _distinct(
    file: MappingFile, said: Iterable[tuple[str, _Mark, _Meaning]]
) -> dict[_Mark, _Meaning]:
    found: dict[_Mark, _Meaning] = {}
    for key, mark, meaning in said:
        if found.setdefault(mark, meaning) != meaning:
            raise file.wrong(key, f"{mark!r} already means {found[mark]}")
    return found
