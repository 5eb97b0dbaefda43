"""Whether a code belongs to a set of codes that is given by codes and by their beginnings."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from refnot_fhir.core.dictionary import CodeKey


class Place(StrEnum):
    """Where a code stands to a set."""

    IN = "in"
    OUT = "out"
    """It begins like those of the set, and is taken out by name."""
    UNCLEAR = "unclear"
    """It is too short to tell."""
    UNLISTED = "unlisted"


class CodeSet(Protocol):
    """What a set of codes says of its members."""

    @property
    def codes(self) -> frozenset[CodeKey]:
        """Members."""

    @property
    def prefixes(self) -> tuple[CodeKey, ...]:
        """Beginnings of members."""

    @property
    def suffixes(self) -> tuple[CodeKey, ...]:
        """Ends of members."""

    @property
    def exceptions(self) -> tuple[CodeKey, ...]:
        """Beginnings of codes that are no members all the same."""


def place(key: CodeKey, of: CodeSet) -> Place:
    """Where a code stands to a set; one of which members are longer forms leaves it open."""
    if any(begins(key, exception) for exception in of.exceptions):
        return Place.OUT
    if key in of.codes or any(begins(key, prefix) for prefix in of.prefixes):
        return Place.IN
    if any(key[0] == system and key[1].endswith(end) for system, end in of.suffixes):
        return Place.IN
    tree = {system for system, _ in of.prefixes}
    longer = (*of.prefixes, *(one for one in of.codes if one[0] in tree))
    if any(begins(other, key) for other in longer):
        return Place.UNCLEAR
    return Place.UNLISTED


def begins(key: CodeKey, prefix: CodeKey) -> bool:
    """Whether a code begins with another one of the same system."""
    return key[0] == prefix[0] and key[1].startswith(prefix[1])
