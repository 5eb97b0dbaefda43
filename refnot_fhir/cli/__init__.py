"""The command line, for people at a terminal and for scripts; a file for each group of commands."""

from __future__ import annotations

import click

from refnot_fhir import __version__
from refnot_fhir.cli.attest import attest, worklist
from refnot_fhir.cli.audit import audit
from refnot_fhir.cli.decide import decide, verbs
from refnot_fhir.cli.ingest import ingest, simulate
from refnot_fhir.cli.mappings import check, explain
from refnot_fhir.cli.options import Group
from refnot_fhir.cli.serve import serve
from refnot_fhir.cli.subjects import records, screen, subjects


class _Main(Group):
    """A verb of people stands for `decide` with that verb."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name."""
        if args[0] not in self.commands and args[0] in verbs():
            return decide.name, decide, args
        return super().resolve_command(ctx, args)


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="refnot-fhir")
def main() -> None:
    """FHIR in, eligibility and dosing of trial R-2 decided, ResearchSubject out.

    Settings are REFNOT_* environment variables (docs/settings.md); options given here win.
    """


for _command in (
    *(attest, audit, check, decide, explain, ingest, records, screen, serve, simulate, subjects),
    worklist,
):
    main.add_command(_command)
