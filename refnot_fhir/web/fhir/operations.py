"""The operations on a ResearchSubject: why this patient, and what was given."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import date, datetime

from flask import Blueprint, Response, request

from refnot_fhir.core.results import Subject
from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadInput, NotFound, Problem
from refnot_fhir.fhir.dates import asked_day
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write import dosing_record, screening_report
from refnot_fhir.fhir.write import missing as missing_parameters
from refnot_fhir.fhir.write.operation_definitions import DOSING_RECORD, MISSING, SCREENING_REPORT
from refnot_fhir.fhir.write.published import Json
from refnot_fhir.store.contract import Reader
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.judge import Standing
from refnot_fhir.trial.missing import missing
from refnot_fhir.trial.service import Service
from refnot_fhir.web import headers
from refnot_fhir.web.answer import fhir
from refnot_fhir.web.fhir.parameters import posted
from refnot_fhir.web.fhir.published import find
from refnot_fhir.web.request import base_url, wanted

TYPE = "ResearchSubject"
"""The type that the operations are of."""


def _screening_report(
    subject: Subject, standing: Standing, version: Version, now: datetime, base: str
) -> Json:
    return screening_report.write(
        subject, standing.assessment, standing.protocol, version, now=now, base=base
    )


def _dosing_record(
    subject: Subject, standing: Standing, version: Version, now: datetime, base: str
) -> Json:
    return dosing_record.write(
        subject, standing.dosing, standing.protocol, version, now=now, base=base
    )


def _missing(
    _subject: Subject, standing: Standing, _version: Version, _now: datetime, _base: str
) -> Json:
    wanted = ((it.action, it.criteria, it.names, it.results) for it in missing(standing))
    return missing_parameters.write(wanted, standing.protocol)


OPERATIONS: Mapping[str, Callable[[Subject, Standing, Version, datetime, str], Json]] = {
    SCREENING_REPORT: _screening_report,
    DOSING_RECORD: _dosing_record,
    MISSING: _missing,
}
"""What each operation answers with, by its name without the dollar sign."""


def routes(service: Service) -> Blueprint:
    """Each operation, with a date in the query or in Parameters."""
    blueprint = Blueprint("operations", __name__)

    def operate(site: str, id_: str, name: str) -> Response:
        known = service.site(site)
        version = wanted(Version(known.fhir))
        stated = _stated(service)
        if name == SCREENING_REPORT and "at" in stated:
            return _frozen(service, known, id_, stated)
        found = answered(service, known, id_, name, version, _date(stated))
        return fhir(found, version=version)

    for name in OPERATIONS:
        blueprint.add_url_rule(
            f"/{TYPE}/<id_>/${name}", name, operate, defaults={"name": name},
            methods=["GET", "POST"],
        )  # fmt: skip
    return blueprint


def answered(
    service: Service, site: Site, id_: str, name: str, version: Version, on: date | None = None
) -> Json:
    """What an operation answers of a subject as it stands now."""
    with service.store.read() as reader:
        subject, standing = _standing(service, reader, site, id_, on)
    return OPERATIONS[name](subject, standing, version, service.clock(), base_url())


def _standing(
    service: Service, reader: Reader, site: Site, id_: str, on: date | None
) -> tuple[Subject, Standing]:
    subject = find(service, reader, site, id_)
    standing = enrolment.standing(reader, service.judge(), subject, on)
    if standing is None:
        raise NotFound(f"the study of ResearchSubject/{id_} is no longer among the mapping files")
    return subject, standing


def _frozen(service: Service, site: Site, id_: str, stated: dict[str, str]) -> Response:
    """The report on the eligibility at enrolment, as it was when people enrolled the patient."""
    if stated["at"] != "enrolment" or "date" in stated:
        said = "at is enrolment, and goes without a date"
        raise BadInput(said, (Problem("value", said),))
    with service.store.read() as reader:
        subject = find(service, reader, site, id_)
        report = reader.frozen_report(subject.id)
    if report is None:
        raise NotFound(f"{TYPE}/{id_} was not enrolled by people: no report was frozen")
    digest = b64encode(report.digest).decode()
    named = {
        "ETag": f'"{report.digest.hex()}"',
        "Last-Modified": headers.http_date(report.at),
        # https://www.rfc-editor.org/rfc/rfc9530
        "Repr-Digest": f"sha-256=:{digest}:",
        "X-Rules": f"{report.rules} {report.rules_digest}",
        "X-Software": report.software,
    }
    return fhir(report.body, headers=named, version=Version(report.fhir))


def _stated(service: Service) -> dict[str, str]:
    """The parameters of the query and of the body. Raises BadInput for one that is not known."""
    stated = {**_posted(service), **request.args}
    unknown = sorted(set(stated) - {"date", "at", "_format", "_pretty"})
    if unknown:
        said = "a parameter is not known here: there are date and at"
        raise BadInput(said, (Problem("not-supported", said),))
    return stated


def _date(stated: dict[str, str]) -> date | None:
    """The date of assessment asked for; None for the usual one. Raises BadInput."""
    text = stated.get("date")
    return asked_day(text, "date") if text else None


def _posted(service: Service) -> dict[str, str]:
    """The parameters of a Parameters resource, if one was posted."""
    return {
        str(one.get("name")): str(one.get("valueDate", one.get("valueString", "")))
        for one in posted(service.settings.max_body_bytes)
    }
