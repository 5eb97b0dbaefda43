"""The mappings folder as one value, or the reason why it is not one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from refnot_fhir.core.rules import Protocol, Rulebook, Site
from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook import dictionaries, medicines, protocols, sites
from refnot_fhir.rulebook.decisions import decisions, decisions_in
from refnot_fhir.rulebook.files import MappingFile, read
from refnot_fhir.rulebook.places import places

_DICTIONARIES = ("systems", "units", "labs", "drugs", "places")
PROTOCOL_FILES = ("protocol", "eligibility", "dosing")


def load(folder: Path) -> Rulebook:
    """All mapping files below `folder`, every reference between them checked.

    Raises `BadMapping` naming file, key and reason for the first file that is wrong.
    """
    files = {name: read(folder, f"{name}.toml", name) for name in _DICTIONARIES}
    readings = decisions(folder)
    anchors = frozenset(readings)
    for file in files.values():
        _check_decisions(file, anchors)
    systems = dict(files["systems"].content)
    dimensions = dictionaries.dimensions(files["units"])
    labs = dictionaries.labs(files["labs"], dimensions, systems)
    classes = medicines.drug_classes(files["drugs"], systems)
    words = protocols.Dictionaries(
        labs=labs,
        derivations=dictionaries.derivations(files["labs"], labs),
        drugs=medicines.drugs(files["drugs"], classes, systems),
        drug_classes=classes,
        places=places(files["places"], systems),
        anchors=anchors,
    )
    site_files = {path.stem: read(folder, f"sites/{path.name}", "site") for path in _sites(folder)}
    local_words = sites.Words(labs, dimensions, words.drugs)
    found, protocol_files = _protocols(folder, words, tuple(files.values()))
    return Rulebook(
        digest=digest((*files.values(), *site_files.values(), *protocol_files)),
        dimensions=dimensions,
        labs=labs,
        derivations=words.derivations,
        panels=dictionaries.panels(files["labs"], systems),
        drugs=words.drugs,
        drug_classes=classes,
        amount_words=medicines.amount_words(files["drugs"]),
        discontinued=medicines.discontinued(files["drugs"], systems),
        places=words.places,
        sites=_with_default(_read_sites(site_files, local_words, systems)),
        protocols=found,
        decisions=readings,
        others=dictionaries.others(files["labs"], systems),
        range_words=dictionaries.range_words(files["labs"], systems),
        interpretations=dictionaries.interpretations(files["labs"], systems),
    )


def digest(files: Iterable[MappingFile]) -> str:
    """SHA-256 over the names and contents of files, whatever their order and line ends."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        total.update(f"{file.name}\0{len(file.data)}\0".encode())
        total.update(file.data)
    return total.hexdigest()


def protocol_folders(folder: Path) -> tuple[Path, ...]:
    """The folder of each protocol, in order of name."""
    found = sorted(path.parent for path in (folder / "protocols").glob("*/protocol.toml"))
    if not found:
        raise BadMapping(f"protocols: there is no protocols/<id>/protocol.toml in {folder}")
    return tuple(found)


def _check_decisions(file: MappingFile, known: frozenset[str]) -> None:
    for key, anchor in decisions_in(file.content):
        protocols.check_anchors(file, key, [anchor], known)


def _sites(folder: Path) -> list[Path]:
    return sorted((folder / "sites").glob("*.toml"))


def _read_sites(
    files: dict[str, MappingFile], words: sites.Words, systems: dict[str, str]
) -> dict[str, Site]:
    return {
        name: sites.site(file, name, words=words, systems=systems) for name, file in files.items()
    }


def _with_default(found: dict[str, Site]) -> dict[str, Site]:
    if "default" not in found:
        raise BadMapping("sites/default.toml: the file is missing; it is the site of /fhir")
    return found


def _protocols(
    folder: Path, words: protocols.Dictionaries, shared: tuple[MappingFile, ...]
) -> tuple[dict[str, Protocol], list[MappingFile]]:
    found: dict[str, Protocol] = {}
    all_files: list[MappingFile] = []
    for path in protocol_folders(folder):
        base = f"protocols/{path.name}"
        files = [read(folder, f"{base}/{kind}.toml", kind) for kind in PROTOCOL_FILES]
        record, eligibility, dosing = files
        if record.content["id"] != path.name:
            raise record.wrong("id", f"must be the folder's name, {path.name}")
        if (path / "cases.toml").exists():
            read(folder, f"{base}/cases.toml", "cases")
        found[path.name] = protocols.protocol(
            record, eligibility, dosing, words=words, digest=digest((*shared, *files))
        )
        all_files += files
    return found, all_files
