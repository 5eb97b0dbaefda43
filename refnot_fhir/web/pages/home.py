"""The first page: what is served here, and the first subjects."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request

from refnot_fhir import __version__
from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.service import DEFAULT_SITE, Service

_SHOWN = 50


def home(service: Service) -> Blueprint:
    """`GET /`: an overview for people; it shows ids, never names."""
    routes = Blueprint("home", __name__)
    base = service.settings.base_path

    @routes.get("/")
    def overview() -> Response:
        site = service.site(request.args.get("site") or DEFAULT_SITE).name
        protocols = service.rulebook.protocols.values()
        shown = render_template(
            "home.html",
            protocols=protocols,
            site=site,
            sites=[name for name in sorted(service.rulebook.sites) if name != site],
            links=_links(base, [protocol.id for protocol in protocols], site),
            subjects=_subjects(service, site),
            replay=service.settings.replay,
            base=base,
            version=__version__,
            digest=service.rulebook.digest,
        )
        return Response(shown, headers={"Cache-Control": "no-store"}, mimetype="text/html")

    return routes


def _links(base: str, protocols: list[str], site: str) -> list[tuple[str, str]]:
    fhir = base if site == DEFAULT_SITE else f"/{site}{base}"
    return [
        (f"{fhir}/metadata", "what this server can do (CapabilityStatement)"),
        *((f"{fhir}/ResearchStudy/{id_}", f"the study {id_}") for id_ in protocols),
        (f"{fhir}/ResearchSubject", "all subjects"),
        (f"{fhir}/ResearchSubject?status=eligible,on-study-intervention", "who is in"),
        (f"/records/eligibility-labs?_format=csv&site={site}", "eligibility labs as CSV"),
        (f"/records/dosing?_format=csv&site={site}", "dosing records as CSV"),
        ("/health/ready", "readiness and counts"),
    ]


def _subjects(service: Service, where: str) -> list[dict[str, str]]:
    rows = []
    with service.store.read() as reader:
        for row in enrolment.find_subjects(reader, service.judge(), SubjectQuery(sites=[where])):
            subject = row.subject
            site = "" if subject.site == DEFAULT_SITE else f"/{subject.site}"
            rows.append(
                {
                    "id": subject.id,
                    "patient": f"{subject.site}/{subject.patient}",
                    "study": subject.protocol,
                    "status": subject.status,
                    "since": subject.history[-1].began.isoformat(),
                    "link": f"{site}{service.settings.base_path}/ResearchSubject/{subject.id}",
                }
            )
            if len(rows) == _SHOWN:
                break
    return rows
