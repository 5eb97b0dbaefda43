"""Where the mapping files are."""

from __future__ import annotations

from pathlib import Path

from refnot_fhir.errors import BadMapping

_PACKAGE = Path(__file__).resolve().parents[1]
_LOCAL = "mappings"


def folder(setting: str | None, cwd: Path) -> Path:
    """The setting, else `mappings/` in the working folder, else the copy that travels in the wheel.

    Raises `BadMapping` when the setting names no folder.
    """
    if setting:
        chosen = cwd / Path(setting).expanduser()
        if not chosen.is_dir():
            raise BadMapping(f"{chosen}: no such folder; the mappings setting has to name one")
        return chosen
    local = cwd / _LOCAL
    return local if local.is_dir() else shipped()


def shipped() -> Path:
    """The mapping files of this version: in the wheel, or in the checkout that it runs from."""
    packed = _PACKAGE / "_mappings"
    return packed if packed.is_dir() else _PACKAGE.parent / _LOCAL


def schema(kind: str) -> Path:
    """The JSON Schema of one kind of mapping file: this version's own, wherever the files are."""
    return shipped() / "schema" / f"{kind}.schema.json"
