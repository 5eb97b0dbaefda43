"""The operations on a ResearchSubject: why this patient, and what was given."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response, request

from refnot_fhir import enrolment
from refnot_fhir.charts import Standing
from refnot_fhir.core.findings import Subject
from refnot_fhir.core.rules import Site
from refnot_fhir.errors import BadInput, NotFound, Trouble
from refnot_fhir.fhir import dosing_record, screening_report
from refnot_fhir.service import Service
from refnot_fhir.store.base import Reader
from refnot_fhir.web import answers
from refnot_fhir.web.published import find


def routes(service: Service) -> Blueprint:
    """`$screening-report?date=` and `$dosing-record`, by GET."""
    blueprint = Blueprint("operations", __name__)

    @blueprint.get("/ResearchSubject/<id_>/$screening-report")
    def screening(site: str, id_: str) -> Response:
        version = answers.wanted().version
        with service.store.read() as reader:
            subject, now = _standing(service, reader, service.site(site), id_, _date())
        report = screening_report.write(
            subject, now.assessment, now.protocol, version,
            now=service.clock(), base=answers.base_url(),
        )  # fmt: skip
        return answers.fhir(report, version=version)

    @blueprint.get("/ResearchSubject/<id_>/$dosing-record")
    def doses(site: str, id_: str) -> Response:
        version = answers.wanted().version
        with service.store.read() as reader:
            subject, now = _standing(service, reader, service.site(site), id_, _date())
        record = dosing_record.write(
            subject, now.dosing, now.protocol, version,
            now=service.clock(), base=answers.base_url(),
        )  # fmt: skip
        return answers.fhir(record, version=version)

    return blueprint


def _standing(
    service: Service, reader: Reader, site: Site, id_: str, on: date | None
) -> tuple[Subject, Standing]:
    subject = find(service, reader, site, id_)
    standing = enrolment.standing(reader, service.judge(), subject, on)
    if standing is None:
        raise NotFound(f"the study of ResearchSubject/{id_} is no longer among the mapping files")
    return subject, standing


def _date() -> date | None:
    """The date of assessment asked for; None for the usual one. Raises BadInput."""
    unknown = sorted(set(request.args) - {"date", "_format"})
    if unknown:
        said = f"there is no parameter {unknown[0]}: there is date"
        raise BadInput(said, (Trouble("not-supported", said),))
    text = request.args.get("date")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        said = f"date={text[:40]} is not a calendar date such as 2026-05-01"
        raise BadInput(said, (Trouble("value", said),)) from None
