"""HL7's definition packages, fetched once from the npm registry and read where they lie."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class PackageMissing(Exception):
    """A package is neither in the folder nor to be had: the message says why."""


def default_folder() -> Path:
    """REFNOT_HL7_PACKAGES, or a folder of our own in the user's cache."""
    if named := os.environ.get("REFNOT_HL7_PACKAGES"):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "refnot-fhir" / "hl7"


def package_file(package: str, folder: Path) -> Path:
    """The .tgz of NAME@VERSION, packed with npm when the folder does not hold it yet."""
    name, _, version = package.rpartition("@")
    path = folder / f"{name}-{version}.tgz"
    if path.exists():
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise PackageMissing(f"{path.name} is not in {folder} and npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", package, "--loglevel=error"]
    packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if packed.returncode or not path.exists():
        raise PackageMissing(f"npm pack {package} failed: {packed.stderr.strip()[:200]}")
    return path


def raw_resources(path: Path, prefixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes) of each resource whose file name starts with one of the prefixes."""
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            if folder == "package" and name.endswith(".json") and name.startswith(prefixes):
                content = archive.extractfile(member)
                if content is not None:
                    yield name, content.read()


def resources(path: Path, *types: str) -> Iterator[dict[str, Any]]:
    """Each resource of these types, decoded."""
    for _, body in raw_resources(path, tuple(f"{name}-" for name in types)):
        yield json.loads(body)
