"""What people state of a subject, and what is missing of everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from refnot_fhir.cli.options import (
    as_json,
    database,
    mappings,
    opened,
    site_of,
    site_option,
    stop,
    subject_id,
)
from refnot_fhir.cli.terminal import rows_shown
from refnot_fhir.core.results import Subject
from refnot_fhir.core.site import Site
from refnot_fhir.errors import Unprocessable
from refnot_fhir.fhir.write.questionnaire_response import Statement
from refnot_fhir.store.contract import SubjectQuery
from refnot_fhir.trial import subjects as enrolment
from refnot_fhir.trial.attest import Said
from refnot_fhir.trial.attest import attest as state
from refnot_fhir.trial.judge import Standing
from refnot_fhir.trial.missing import missing
from refnot_fhir.trial.service import Service
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why


@click.command()
@click.argument("subject")
@click.option("--criterion", required=True, help="id of the criterion: IN01")
@click.option("--verdict", required=True, help="met, not-met, unknown or not-applicable")
@click.option("--reason", required=True, help="why, in the person's words")
@click.option("--role", required=True, help="a role that the protocol lets state this")
@click.option("--who", required=True, help="the person who states it")
@click.option("--meaning", default="", help="what the signature means, of the protocol's list")
@click.option("--overrules", default="", help="why it stands against what data say")
@click.option("--evidence", multiple=True, help="what was looked at: Condition/c1; may be repeated")
@click.option("--signed", default="", help="when it was signed [default: now]")
@click.option("--valid-from", default="", help="first day on which it stands")
@click.option("--valid-until", default="", help="last day on which it stands")
@site_option
@database
@mappings
@as_json
def attest(subject: str, evidence: tuple[str, ...], site: str, as_json: bool,
           **stated: Any) -> None:  # fmt: skip
    """State how it is with a criterion of a SUBJECT: an id, ResearchSubject/… or Patient/….

    Nobody establishes here who states it: it counts under replay alone. The same again on the same
    day changes nothing. Exit code 1 if the protocol does not let it be stated.
    """
    service = opened(database_url=stated.pop("database_url"), mappings=stated.pop("mappings"))
    known = site_of(service, site)
    found = _subject(service, known, subject)
    said = Said(Statement(looked_at=evidence, **stated), by="attest")
    try:
        id = state(said, found, site=known, store=service.store, judge=service.judge())
    except Unprocessable as error:
        stop("; ".join(problem.message for problem in error.problems))
    standing = _standing(service, found)
    result = standing.assessment.result(said.statement.criterion)
    told = why(language(), standing.protocol.labs, result)
    row = {"kept": f"QuestionnaireResponse/{id}", "criterion": result.criterion,
           "verdict": result.verdict.code, "why": told}  # fmt: skip
    rows_shown([row], as_json)


def _subject(service: Service, site: Site, id: str) -> Subject:
    query = SubjectQuery(ids=[subject_id(service, site, id)], sites=[site.name])
    with service.store.read() as reader:
        rows = list(enrolment.find_subjects(reader, service.judge(), query))
    if not rows:
        stop(f"there is no subject {id} at the site {site.name}")
    return rows[0].subject


def _standing(service: Service, subject: Subject) -> Standing:
    with service.store.read() as reader:
        found = enrolment.standing(reader, service.judge(), subject)
    if found is None:
        stop("its study is no longer among the mapping files")
    return found


@click.command()
@click.option("--site", help="only of this hospital")
@database
@mappings
@as_json
def worklist(site: str | None, as_json: bool, **stated: Any) -> None:
    """List what is missing for each subject that is not decided, what settles most first.

    Those subjects come first for whom the fewest things are missing.
    """
    service = opened(**stated)
    sites = [site_of(service, site).name] if site else None
    rows_shown(list(_rows(service, sites)), as_json)


def _rows(service: Service, sites: list[str] | None) -> Iterator[dict[str, Any]]:
    found = []
    with service.store.read() as reader:
        judge = service.judge()
        for row in enrolment.find_subjects(reader, judge, SubjectQuery(sites=sites)):
            standing = enrolment.standing(reader, judge, row.subject)
            if standing is not None:
                found.append((row.subject, missing(standing)))
    for subject, wanted in sorted(found, key=lambda it: len(it[1])):
        for one in wanted:
            yield {
                "subject": subject.id, "site": subject.site, "patient": subject.patient,
                "protocol": subject.protocol, "action": one.action.value,
                "by": ", ".join(one.names), "settles": ", ".join(one.criteria),
            }  # fmt: skip
