"""What people decide of a subject, from a terminal: enrol, withdraw and the like."""

from __future__ import annotations

import getpass
from datetime import datetime
from functools import cache
from typing import Any

import click

from refnot_fhir.cli.options import (
    DAY,
    USAGE,
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
from refnot_fhir.core.life import Actor, MilestoneCode
from refnot_fhir.core.people import Wish
from refnot_fhir.rulebook.files import read
from refnot_fhir.rulebook.find import shipped
from refnot_fhir.trial.people import Asked, carry_out
from refnot_fhir.wording import language
from refnot_fhir.wording.results import why_status


@cache
def verbs() -> frozenset[str]:
    """The verbs that stand for themselves on the command line: those of the shipped files."""
    return frozenset(read(shipped(), "life.toml", "life").content["verb"])


@click.command()
@click.argument("verb")
@click.argument("subject")
@click.option("--on", type=DAY, help="since which day [default: today at the hospital]")
@click.option("--arm", default="", help="id or name of the arm")
@click.option("--number", default="", help="subject number, as system|value")
@click.option("--reason-code", default="", help="coded reason, such as progressive-disease")
@click.option("--reason", default="", help="reason in words")
@click.option("--consent", default="", help="the record of the consent: Consent/…")
@click.option("--actor", default="", help="who decided [default: who is logged in]")
@site_option
@database
@mappings
@as_json
def decide(verb: str, subject: str, on: datetime | None, arm: str, number: str,
           reason_code: str, reason: str, consent: str, actor: str, site: str,
           as_json: bool, **stated: Any) -> None:  # fmt: skip
    """Decide on a subject: VERB is enrol, withdraw, off-study and the like.

    `refnot-fhir enrol SUBJECT` is short for `refnot-fhir decide enrol SUBJECT`. SUBJECT is an id,
    ResearchSubject/… or Patient/…. The same again changes nothing. Exit code 1 if it is refused;
    standard error says what is allowed.
    """
    service = opened(**stated)
    known = service.rulebook.life.verbs
    if verb not in known:
        stop(f"there is no verb {verb}: there are {', '.join(known)}", USAGE)
    where, who = site_of(service, site), getpass.getuser()
    system, _, value = number.rpartition("|")
    wish = Wish(
        by=actor or who,
        actor=Actor.PERSON,
        to=known[verb].to,
        on=None if on is None else on.date(),
        arm=arm,
        numbers=((system, value),) if value else (),
        code=reason_code,
        said=reason,
        milestone=known[verb].milestone or (MilestoneCode.CONSENT if consent else ""),
        reference=consent,
    )
    asked = Asked(wish, who, subject=subject_id(service, where, subject))
    done = carry_out(asked, site=where, store=service.store, judge=service.judge())
    last = done.subject.history[-1]
    labs = service.rulebook.protocols[done.subject.protocol].labs
    row = {
        "id": done.subject.id, "status": last.status, "since": last.began.isoformat(),
        "why": why_status(language(), labs, last), "version": str(done.subject.version),
        "changed": "yes" if done.changed else "no",
    }  # fmt: skip
    rows_shown([row], as_json)
