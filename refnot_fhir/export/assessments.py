"""An assessment as plain JSON, for scripts."""

from __future__ import annotations

from typing import Any

from refnot_fhir.core.results import Assessment, Finding


def assessment(one: Assessment) -> dict[str, Any]:
    """The standing of one patient, and every criterion with its verdict, reason and evidence."""
    return {
        "site": one.site,
        "patient": f"Patient/{one.patient}",
        "protocol": one.protocol,
        "protocol_version": one.protocol_version,
        "rules": one.digest,
        "as_of": one.as_of.isoformat(),
        "standing": one.standing,
        "holds_until": one.holds_until.isoformat() if one.holds_until else None,
        "findings": [_finding(finding) for finding in one.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "criterion": finding.criterion,
        "verdict": finding.verdict.value,
        "reason": finding.reason,
        "why": finding.why,
        "holds_until": finding.holds_until.isoformat() if finding.holds_until else None,
        "evidence": [
            {"source": evidence.source.versioned, "shown": evidence.shown}
            for evidence in finding.evidence
        ],
    }
