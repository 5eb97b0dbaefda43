"""The closed vocabularies of facts: words that the core itself gives a meaning to."""

from __future__ import annotations

from enum import StrEnum


class Unusable(StrEnum):
    """Why a measurement cannot be used: the codes of `not_usable`, stable for machines."""

    WRONG_CODE = "wrong-code"
    CONFLICTING_CODES = "conflicting-codes"
    NOT_FINAL = "not-final"
    CANCELLED = "cancelled"
    RETRACTED = "retracted"
    NO_VALUE = "no-value"
    ABSENT = "absent"
    NO_DATE = "no-date"
    NO_PATIENT = "no-patient"
    OTHER_FOCUS = "other-focus"
    WRONG_SPECIMEN = "wrong-specimen"
    WRONG_SITE = "wrong-site"
    WRONG_METHOD = "wrong-method"
    NO_UNIT = "no-unit"
    UNKNOWN_UNIT = "unknown-unit"
    UNIT_CONFLICT = "unit-conflict"
    WRONG_DIMENSION = "wrong-dimension"
    IMPLAUSIBLE = "implausible"
    TEXT_VALUE = "text-value"
    OTHER_VALUE = "other-value"
    UNKNOWN_ANSWER = "unknown-answer"
    PARTS_UNCLEAR = "parts-unclear"
    """Of a derived value: one of its parts has several values at one time."""
    CONTRADICTORY_BOUNDS = "contradictory-bounds"
    """Of values of one sample that cannot all be true."""


class Standing(StrEnum):
    """How far a measurement has come: whether its value counts."""

    FINAL = "final"
    """Ready, corrected afterwards or not."""
    AWAITED = "awaited"
    PRELIMINARY = "preliminary"
    CANCELLED = "cancelled"
    RETRACTED = "retracted"
    """Withdrawn: it should never have been said."""
    UNKNOWN = "unknown"


class Interpretation(StrEnum):
    """What a laboratory says of a value beside it."""

    NEGATIVE = "negative"
    AGAINST = "against"
    """Beyond its limit, positive, or not clearly negative."""


class Sex(StrEnum):
    """The administrative genders that limits of normal and criteria are made for."""

    MALE = "male"
    FEMALE = "female"


class Unlisted(StrEnum):
    """What a hospital said, no mapping file lists, and its sender should be told."""

    NAME = "unlisted-name"
    ROUTE = "unlisted-route"
    SITE = "unlisted-site"
    STUDY = "unlisted-study"


class NotCounted(StrEnum):
    """Why a person's statement on a criterion does not count."""

    ROLE = "role-not-allowed"
    VERDICT = "verdict-not-allowed"
    NOBODY = "nobody"
    """It does not name a member of staff who made it."""
    NO_REASON = "no-reason"
    UNSIGNED = "unsigned"
    UNVERIFIED = "unverified"
    LAPSED = "lapsed"
    FORM_VERSION = "other-form-version"
