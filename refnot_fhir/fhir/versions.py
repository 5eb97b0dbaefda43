"""The FHIR versions that are understood, and their names in every place that names one."""

from __future__ import annotations

from enum import StrEnum


class Version(StrEnum):
    """A FHIR version by its short name (https://hl7.org/fhir/versions.html)."""

    R4 = "R4"
    R4B = "R4B"
    R5 = "R5"

    @property
    def full(self) -> str:
        """The published version, as in CapabilityStatement.fhirVersion."""
        return _FULL[self]

    @property
    def mime(self) -> str:
        """The value of the media type's fhirVersion parameter (major.minor)."""
        return self.full.rpartition(".")[0]

    @classmethod
    def from_mime(cls, text: str) -> Version | None:
        """The version that a fhirVersion parameter names, with or without the patch number."""
        return _BY_NUMBER.get(text.strip().strip('"'))


_FULL = {Version.R4: "4.0.1", Version.R4B: "4.3.0", Version.R5: "5.0.0"}
# Patch releases correct errata only, so each answers to the major.minor it belongs to.
_BY_NUMBER = {
    "4.0": Version.R4,
    "4.0.0": Version.R4,
    "4.0.1": Version.R4,
    "4.3": Version.R4B,
    "4.3.0": Version.R4B,
    "5.0": Version.R5,
    "5.0.0": Version.R5,
}
