"""What a lint says about one place in the mapping files."""

from __future__ import annotations

from refnot_fhir.core.record import record


@record
class Remark:
    """One thing that is not right, and where."""

    file: str
    """Below the mappings folder."""
    key: str
    """Path in the file, or the heading."""
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.text}"
