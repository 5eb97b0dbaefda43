"""The mappings folder as one value, or the reasons why it cannot be loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from refnot_fhir.core.dictionary import RangeWords
from refnot_fhir.core.rules import Decision, Protocol, Rulebook
from refnot_fhir.core.site import Site
from refnot_fhir.errors import BadMapping
from refnot_fhir.rulebook import codes, conditions, dictionaries, lives, medicines, protocols, sites
from refnot_fhir.rulebook.codes import Systems
from refnot_fhir.rulebook.criteria import Dictionaries, check_anchors
from refnot_fhir.rulebook.decisions import decisions, decisions_in
from refnot_fhir.rulebook.files import MappingFile, all_wrong, read
from refnot_fhir.rulebook.places import places
from refnot_fhir.rulebook.products import products

_DICTIONARIES = (
    *("systems", "units", "labs", "conditions", "drugs", "products", "places", "life"),
)
_OPTIONAL = frozenset({"conditions", "products"})
"""Dictionaries that a folder may do without: then nothing is listed in them."""
PROTOCOL_FILES = ("protocol", "eligibility", "dosing")


def load(folder: Path) -> Rulebook:
    """All mapping files below `folder`, every reference between them checked.

    Raises `BadMapping` naming file, key and reason; its problems are of every file that is wrong by
    itself. A reference between files is judged once the files it leads through are right.
    """
    files = _dictionaries(folder)
    readings = decisions(folder)
    anchors = frozenset(readings)
    _check_decisions(files.values(), anchors)
    systems, system_titles = _systems(files["systems"])
    dimensions = dictionaries.dimensions(files["units"])
    ranges = dictionaries.range_words(files["labs"], systems)
    words = _words(files, dimensions, systems, ranges, readings)
    wrong: list[BadMapping] = []
    local = sites.Words(words.labs, dimensions, words.drugs)
    found_sites, site_files = _hospitals(folder, local, systems, wrong)
    found, protocol_files = _protocols(folder, words, tuple(files.values()), wrong)
    _refuse(wrong)
    return Rulebook(
        digest=_signed(digest((*files.values(), *site_files, *protocol_files)), readings),
        dimensions=dimensions,
        labs=words.labs,
        derivations=words.derivations,
        drugs=words.drugs,
        drug_classes=words.drug_classes,
        amount_words=medicines.amount_words(files["drugs"]),
        condition_sets=words.condition_sets,
        products=products(files["products"], words.places, systems),
        discontinued=medicines.discontinued(files["drugs"], systems),
        life=lives.life(files["life"], systems),
        places=words.places,
        sites=_with_default(found_sites),
        protocols=found,
        decisions=readings,
        range_words=ranges,
        system_titles=system_titles,
        **_of_labs(files["labs"], systems),
    )


def _words(
    files: Mapping[str, MappingFile],
    dimensions: dictionaries.Dimensions,
    systems: Systems,
    ranges: RangeWords,
    readings: Mapping[str, Decision],
) -> Dictionaries:
    """What protocols are written in."""
    labs = dictionaries.labs(files["labs"], dimensions, systems)
    classes = medicines.drug_classes(files["drugs"], systems)
    return Dictionaries(
        dimensions=dimensions,
        labs=labs,
        derivations=dictionaries.derivations(files["labs"], labs),
        drugs=medicines.drugs(files["drugs"], classes, systems),
        drug_classes=classes,
        condition_sets=conditions.condition_sets(files["conditions"], systems),
        places=places(files["places"], systems),
        systems=systems,
        recorded=ranges.recorded,
        anchors=frozenset(readings),
        signed=frozenset(one.anchor for one in readings.values() if one.confirmed_by),
    )


def _systems(file: MappingFile) -> tuple[dict[str, str], dict[str, str]]:
    """Short name to address, and address to what people call the code system."""
    addresses = {name: said for name, said in file.content.items() if name != "titles"}
    titles = file.content.get("titles", {})
    return addresses, {
        codes.address(file, f"titles.{name}", name, addresses): title
        for name, title in titles.items()
    }


def _of_labs(labs: MappingFile, systems: Systems) -> dict[str, Any]:
    """What labs.toml says besides labs and ranges, for a `Rulebook`."""
    return {
        "panels": dictionaries.panels(labs, systems),
        "others": dictionaries.others(labs, systems),
        "interpretations": dictionaries.interpretations(labs, systems),
        "interpretation_texts": dictionaries.interpretation_texts(labs),
    }


def _dictionaries(folder: Path) -> dict[str, MappingFile]:
    wrong: list[BadMapping] = []
    files = {}
    for name in _DICTIONARIES:
        with _gathered(wrong):
            files[name] = dictionary(folder, name)
    _refuse(wrong)
    return files


def dictionary(folder: Path, name: str) -> MappingFile:
    """One of the files directly below the folder; an empty one where it may be missing and is."""
    file = f"{name}.toml"
    if name in _OPTIONAL and not (folder / file).exists():
        return MappingFile(file, {}, b"")
    return read(folder, file, name)


def _refuse(wrong: list[BadMapping]) -> None:
    if wrong:
        raise all_wrong(wrong)


@contextmanager
def _gathered(wrong: list[BadMapping]) -> Iterator[None]:
    """Keep what is wrong with one file, so that the others are looked at as well."""
    try:
        yield
    except BadMapping as error:
        wrong.append(error)


def digest(files: Iterable[MappingFile]) -> str:
    """SHA-256 over the names and contents of files, whatever their order and line ends."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        total.update(f"{file.name}\0{len(file.data)}\0".encode())
        total.update(file.data)
    return total.hexdigest()


def _signed(files: str, readings: Mapping[str, Decision]) -> str:
    """The digest of all files, and of who signed which entry: a signature moves verdicts, too."""
    signatures = [
        f"{one.anchor}\0{one.confirmed_by}\0{one.confirmed_on}"
        for one in readings.values()
        if one.confirmed_by
    ]
    if not signatures:
        return files
    return hashlib.sha256("\n".join((files, *sorted(signatures))).encode()).hexdigest()


def protocol_folders(folder: Path) -> tuple[Path, ...]:
    """The folder of each protocol, in order of name."""
    found = sorted(path.parent for path in (folder / "protocols").glob("*/protocol.toml"))
    if not found:
        raise BadMapping(f"protocols: there is no protocols/<id>/protocol.toml in {folder}")
    return tuple(found)


def _check_decisions(files: Iterable[MappingFile], known: frozenset[str]) -> None:
    for file in files:
        for key, anchor in decisions_in(file.content):
            check_anchors(file, key, [anchor], known)


def _sites(folder: Path) -> list[Path]:
    return sorted((folder / "sites").glob("*.toml"))


def _with_default(found: dict[str, Site]) -> dict[str, Site]:
    if "default" not in found:
        raise BadMapping("sites/default.toml: the file is missing; it is the site of /fhir")
    return found


def _hospitals(
    folder: Path, words: sites.Words, systems: dict[str, str], wrong: list[BadMapping]
) -> tuple[dict[str, Site], list[MappingFile]]:
    found: dict[str, Site] = {}
    files: list[MappingFile] = []
    for path in _sites(folder):
        with _gathered(wrong):
            sites.check_name(path.stem)
            file = read(folder, f"sites/{path.name}", "site")
            files.append(file)
            found[path.stem] = sites.site(file, path.stem, words=words, systems=systems)
    return found, files


def _protocols(
    folder: Path,
    words: Dictionaries,
    shared: tuple[MappingFile, ...],
    wrong: list[BadMapping],
) -> tuple[dict[str, Protocol], list[MappingFile]]:
    found: dict[str, Protocol] = {}
    all_files: list[MappingFile] = []
    for path in protocol_folders(folder):
        with _gathered(wrong):
            found[path.name], files = _protocol(folder, path, words, shared)
            all_files += files
            first = next(iter(found.values()))
            if found[path.name].canonical != first.canonical:
                reason = f"must be that of {first.id}: what is published is of one service"
                raise files[0].wrong("canonical", reason, [first.canonical])
    return found, all_files


def _protocol(
    folder: Path, path: Path, words: Dictionaries, shared: tuple[MappingFile, ...]
) -> tuple[Protocol, list[MappingFile]]:
    base, wrong, files = f"protocols/{path.name}", list[BadMapping](), list[MappingFile]()
    for kind in PROTOCOL_FILES:
        with _gathered(wrong):
            files.append(read(folder, f"{base}/{kind}.toml", kind))
    if (path / "cases.toml").exists():
        with _gathered(wrong):
            read(folder, f"{base}/cases.toml", "cases")
    _refuse(wrong)
    record, eligibility, dosing = files
    if record.content["id"] != path.name:
        raise record.wrong("id", f"must be the folder's name, {path.name}")
    rules = digest((*shared, *files))
    return protocols.protocol(record, eligibility, dosing, words=words, digest=rules), files
