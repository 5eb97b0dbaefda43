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


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def shared(cls: type[T]) -> type[T]:
    """Make a record that is made once and used by all, such as a hospital or a laboratory test.

    It is hashed by identity, in no time however large it is, so that what was worked out with it
    can be remembered by it. Of two that are equal each is remembered by itself.
    """
    cls.__hash__ = object.__hash__  # type: ignore[method-assign]
    return dataclass(slots=True)(cls)
