"""What the command `refnot-fhir` runs: Ctrl-C ends it quietly from its first moment."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from refnot_fhir.cli import main as commands

        commands(prog_name="refnot-fhir")
    except KeyboardInterrupt:
        sys.stderr.write("refnot-fhir: stopped\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
