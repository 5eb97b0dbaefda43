"""The decorator of every record: a dataclass with slots that nobody changes once it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a dataclass with slots, equality and a hash; type checkers forbid changing it.

    Nothing forbids it at run time: a frozen dataclass takes three times as long to make.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def unique(cls: type[T]) -> type[T]:
    """Make a record that is equal to itself alone, for what is read once and shared by all.

    What was worked out with it can be remembered by it: its hash takes no time, however large it is.
    """
    return dataclass(slots=True, eq=False)(cls)
