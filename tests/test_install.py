"""Installed is what the lock says, whatever has been released since."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker

from tests.wheels import wheel

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")
EXACTLY = {"--no-deps", "--only-binary=:all:", "--require-hashes"}
PINNED = re.compile(r"^([a-z0-9.-]+)==([^\s;\\]+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
# Packages that others of the lock require, one of them with an extra.
TEMPTING = {
    "coverage": ["Provides-Extra: toml"],
    "pytest": ["Requires-Dist: pluggy>=1"],
    "pluggy": [],
    "pytest-cov": ["Requires-Dist: coverage[toml]>=7", "Requires-Dist: pytest>=7"],
    "sqlalchemy": ["Requires-Dist: typing-extensions>=4"],
    "typing-extensions": [],
}


def locked(name: str) -> dict[str, tuple[str, str]]:
    """Name → (version, the rest of its block) of a lock."""
    text = (ROOT / name).read_text("utf-8")
    return {one[1]: (one[2], one[3]) for one in PINNED.finditer(text)}


def recipe(folder: Path) -> list[str]:
    """The commands with which `make` installs into a virtual environment."""
    shown = subprocess.run(
        ["make", "--dry-run", f"VENV={folder}", f"{folder}/.installed"],
        cwd=ROOT, capture_output=True, text=True, check=True, env=clean_environment(),
    )  # fmt: skip
    return shown.stdout.splitlines()


def clean_environment() -> dict[str, str]:
    """This environment without what would change pip's and make's mind."""
    return {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("PIP_", "MAKE", "MFLAGS"))
    }


def installing(folder: Path) -> list[str]:
    """The arguments of pip of the command that installs the lock."""
    (line,) = [one for one in recipe(folder) if "requirements-dev.lock" in one]
    words = shlex.split(line)
    return words[words.index("pip") :]


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_one_version_and_its_hashes(name: str) -> None:
    pinned = locked(name)
    lines = (ROOT / name).read_text("utf-8").splitlines()

    assert len(pinned) == len([one for one in lines if one and not one.startswith((" ", "#"))])
    for package, (_, rest) in pinned.items():
        assert "--hash=sha256:" in rest, package


def test_what_is_installed_here_is_what_the_lock_says() -> None:
    for package, (version, rest) in locked("requirements-dev.lock").items():
        if "sys_platform" not in rest:
            assert metadata.version(package) == version


def test_both_locks_name_the_same_versions() -> None:
    serving, working = (locked(name) for name in LOCKS)

    assert {name: one[0] for name, one in serving.items()}.items() <= {
        name: one[0] for name, one in working.items()
    }.items()


def test_the_builder_and_all_it_needs_are_locked() -> None:
    pinned = locked("requirements-dev.lock")

    assert "editables" in pinned
    needed = [one for one in metadata.requires("hatchling") or () if "python_version" not in one]
    for one in ["hatchling", *needed]:
        assert re.match(r"[\w-]+", one)[0] in pinned  # type: ignore[index]


def test_newer_releases_of_locked_packages_change_nothing(tmp_path: Path) -> None:
    """Wheels without content stand for the packages, so that no network is needed.

    It would not notice a lock that lacks a package or a wheel: `pip check` and the test that
    runs `make` do.
    """
    lock, offers = tmp_path / "lock", tmp_path / "releases"
    offers.mkdir()
    pinned = {name: locked("requirements-dev.lock")[name][0] for name in TEMPTING}
    newest = dict.fromkeys(TEMPTING, "9999.1")
    lock.write_text("\n".join(wheel(offers, n, v, TEMPTING[n]) for n, v in pinned.items()), "utf-8")
    for name, version in newest.items():
        wheel(offers, name, version, TEMPTING[name])
    exactly = [str(lock) if one.endswith(".lock") else one for one in installing(tmp_path)]

    assert offered(exactly, offers, tmp_path / "exactly") == pinned
    ranges = ["pip", "install", "--quiet", *TEMPTING]  # they are offered, and would be taken
    assert offered(ranges, offers, tmp_path / "newest") == newest


def offered(command: list[str], offers: Path, target: Path) -> dict[str, str]:
    """Name → version of what a command of pip installs from a folder of wheels."""
    subprocess.run(
        [sys.executable, "-m", *command, "--no-index", "--find-links", offers, "--target", target],
        check=True, env=clean_environment(), cwd=offers,
    )  # fmt: skip
    found = metadata.distributions(path=[str(target)])
    return {one.name: one.version for one in found}


@pytest.mark.interop
@pytest.mark.parametrize("pip", ["pip==23.2", "pip"], ids=["pip 23.2", "newest pip"])
def test_make_installs_the_whole_lock_though_newer_releases_exist(tmp_path: Path, pip: str) -> None:
    """From the registry, with the very commands of make; what it takes is what the lock says."""
    if pip == "pip==23.2" and sys.version_info >= (3, 12):
        pip = "pip==23.2.1"  # the first that Python 3.12 can run
    folder, offers = tmp_path / "venv", tmp_path / "releases"
    offers.mkdir()
    for name, lines in TEMPTING.items():
        wheel(offers, name, "9999.1", lines)
    commands = recipe(folder)
    made = next(n for n, one in enumerate(commands) if " -m venv " in one)
    _shell([commands[made], f"{folder}/bin/python -m pip install --quiet --upgrade {pip}"])

    _shell([
        f"{one} --find-links {offers}" if "requirements-dev.lock" in one else one
        for one in commands[made + 1 :]
    ])  # fmt: skip

    there = {
        one.name.lower().replace("_", "-").replace(".", "-"): one.version
        for one in metadata.distributions(path=[str(next(folder.glob("lib/*/site-packages")))])
    }
    for name, (version, rest) in locked("requirements-dev.lock").items():
        marker = re.match(r"\s*;(.*?)\\?$", rest, re.MULTILINE)
        if marker is None or Marker(marker[1].strip()).evaluate():
            assert there.pop(name) == version
    assert set(there) <= {"refnot-fhir", "pip", "setuptools"}


def _shell(commands: list[str]) -> None:
    for one in commands:
        found = subprocess.run(
            ["sh", "-c", one], cwd=ROOT, env=clean_environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert found.returncode == 0, f"{one}\n{found.stdout}{found.stderr}"


def test_every_place_that_installs_installs_exactly_what_is_locked() -> None:
    places = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder in ("docs", "examples", "tools", "benchmarks", "mappings", ".ci"):
        places += [one for one in (ROOT / folder).rglob("*") if one.suffix in ("", ".md", ".sh")]
    expanded = "\n".join([*recipe(ROOT / "nowhere"), *_texts(places)])
    commands = re.findall(r"python -m pip install (.*)$", expanded, re.MULTILINE)
    own = [one for one in commands if "--editable" in one or "dist/" in one]

    assert len(commands) >= 4
    for one in commands:
        if one in own:
            assert "--no-deps" in one
            assert "--editable" not in one or "--no-build-isolation" in one
        else:
            assert set(one.split()) >= EXACTLY, one
            assert one.split()[-1] in LOCKS
    assert any(one.endswith("pip check") for one in recipe(ROOT / "nowhere"))


def _texts(places: list[Path]) -> list[str]:
    return [one.read_text("utf-8") for one in places if one.is_file()]


def test_the_wheel_is_built_by_the_locked_builder_and_carries_the_mapping_files(
    tmp_path: Path,
) -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv/.installed", "wheel"],
        cwd=ROOT, capture_output=True, text=True, check=True, env=clean_environment(),
    )  # fmt: skip
    words = shlex.split(shown.stdout.splitlines()[-1])
    words = [str(tmp_path) if one == "dist" else one for one in words[words.index("pip") :]]

    subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, check=True, env=clean_environment() | {
            "PIP_NO_INDEX": "1"},
    )  # fmt: skip

    (built,) = tmp_path.glob("refnot_fhir-*.whl")
    assert "refnot_fhir/_mappings/labs.toml" in zipfile.ZipFile(built).namelist()
