"""`make interop`: the tests that need PostgreSQL, npm or a network, with all that they need.

What is missing is installed from Debian's packages, which takes root or sudo. PostgreSQL runs in a
temporary folder on a free port of loopback and is gone afterwards. Arguments go to pytest.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

from tests.fhir.hl7_packages import EXAMPLES
from tests.postgres_server import programs, server
from tools.generate_schemas import SOURCES
from tools.npm_packages import PackageMissing, default_folder, package_file


def main(arguments: Sequence[str]) -> int:
    """Run the tests; the exit code is that of pytest."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends as well
    _prepare()
    with server() as url:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-m", "interop", *arguments],
            check=False,
            # Everything is there, so that a skip would hide a fault.
            env=os.environ | {"REFNOT_TEST_POSTGRES": url, "CI": "true"},
        ).returncode


def _prepare() -> None:
    if programs() is None:  # one test stops a server of its own
        _install("postgresql")
    try:
        _fetch()
    except PackageMissing:
        if shutil.which("npm"):
            raise
        _install("npm")
        _fetch()


def _fetch() -> None:
    for name in {*SOURCES.values(), *EXAMPLES.values()}:
        package_file(name, default_folder())


def _install(package: str) -> None:
    if shutil.which("apt-get") is None:
        sys.exit(f"{package} is missing, and apt-get too: install {package}, then try again")
    before = [] if os.geteuid() == 0 else ["sudo"]
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        subprocess.run([*before, "apt-get", *words], check=True, env=quiet)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
