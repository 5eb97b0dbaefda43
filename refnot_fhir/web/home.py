"""The first page: what is served here, and the first subjects."""

from __future__ import annotations

from flask import Blueprint, render_template

from refnot_fhir import __version__, enrolment
from refnot_fhir.service import DEFAULT_SITE, Service
from refnot_fhir.store.base import SubjectQuery

_SHOWN = 50


def home(service: Service) -> Blueprint:
    """`GET /`: an overview for people; it shows ids, never names."""
    routes = Blueprint("home", __name__)
    base = service.settings.base_path

    @routes.get("/")
    def overview() -> str:
        protocol = next(iter(service.rulebook.protocols.values()))
        return render_template(
            "home.html",
            protocol=protocol,
            registry=", ".join(value for _, value in protocol.identifiers),
            links=_links(base, protocol.id),
            subjects=list(_subjects(service)),
            replay=service.settings.replay,
            base=base,
            version=__version__,
            digest=service.rulebook.digest,
        )

    return routes


def _links(base: str, protocol: str) -> list[tuple[str, str]]:
    return [
        (f"{base}/metadata", "what this server can do (CapabilityStatement)"),
        (f"{base}/ResearchStudy/{protocol}", "the study"),
        (f"{base}/ResearchSubject", "all subjects"),
        (f"{base}/ResearchSubject?status=eligible,on-study-intervention", "who is in"),
        ("/records/eligibility-labs?_format=csv", "eligibility labs as CSV"),
        ("/records/dosing?_format=csv", "dosing records as CSV"),
        ("/health/ready", "readiness and counts"),
    ]


def _subjects(service: Service) -> list[dict[str, str]]:
    rows = []
    with service.store.read() as reader:
        for row in enrolment.find_subjects(reader, service.judge(), SubjectQuery()):
            subject = row.subject
            site = "" if subject.site == DEFAULT_SITE else f"/{subject.site}"
            rows.append(
                {
                    "id": subject.id,
                    "patient": f"{subject.site}/{subject.patient}",
                    "status": subject.status,
                    "since": subject.history[-1].began.isoformat(),
                    "link": f"{site}{service.settings.base_path}/ResearchSubject/{subject.id}",
                }
            )
            if len(rows) == _SHOWN:
                break
    return rows
