"""Whether a code belongs to a set of codes that is given by codes and by their beginnings."""

from __future__ import annotations

from collections.abc import Collection
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
    def exceptions(self) -> tuple[CodeKey, ...]:
        """Beginnings of codes that are no members all the same."""


def place(key: CodeKey, of: CodeSet, others: Collection[CodeKey] = ()) -> Place:
    """Where a code stands to a set: one of which anything listed is a longer form leaves it open.

    `others` are listed of the set as well, and are no members.
    """
    if any(begins(key, exception) for exception in of.exceptions):
        return Place.OUT
    # Only what has a tree of codes has longer forms.
    if any(key[0] == system for system, _ in of.prefixes):
        listed = (*of.prefixes, *of.exceptions, *others)
        if any(begins(other, key) and other != key for other in listed):
            return Place.UNCLEAR
    if key in of.codes or any(begins(key, prefix) for prefix in of.prefixes):
        return Place.IN
    return Place.UNLISTED


def begins(key: CodeKey, prefix: CodeKey) -> bool:
    """Whether a code begins with another one of the same system."""
    return key[0] == prefix[0] and key[1].startswith(prefix[1])
