"""DECISIONS.md: which interpretations have an entry, who must confirm each, and who did."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from refnot_fhir.core.rules import Decision
from refnot_fhir.errors import BadMapping

_HEADING = re.compile(r"^## (?P<anchor>[a-z][a-z0-9-]*)\s*$", re.MULTILINE)
_FIELD = re.compile(r"^- \*\*(?P<name>[A-Za-z ]+)\*\*: (?P<text>.+(?:\n  .+)*)", re.MULTILINE)
_FIELDS = ("Question", "Reading", "Why", "Confirm", "Source")
_SIGNED = re.compile(r"(?P<who>.*\S), (?P<day>\d{4}-\d{2}-\d{2})")
_NAME = "DECISIONS.md"


def decisions(folder: Path) -> dict[str, Decision]:
    """Every entry of DECISIONS.md by its anchor; `BadMapping` if it is missing or repeats one."""
    try:
        text = (folder / _NAME).read_text(encoding="utf-8")
    except OSError as error:
        raise BadMapping(f"{_NAME}: cannot be read in {folder}: {error.strerror}") from error
    found: dict[str, Decision] = {}
    headings = list(_HEADING.finditer(text))
    for heading, after in zip(headings, [*headings[1:], None], strict=True):
        anchor = heading["anchor"]
        if anchor in found:
            raise BadMapping(f"{_NAME}: {anchor}: there are two entries of this name")
        found[anchor] = _entry(anchor, text[heading.end() : after.start() if after else None])
    return found


def _entry(anchor: str, body: str) -> Decision:
    fields = {item["name"]: " ".join(item["text"].split()) for item in _FIELD.finditer(body)}
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise BadMapping(f"{_NAME}: {anchor}: {', '.join(missing)} is missing")
    question, reading, why, confirm, source = (fields[name] for name in _FIELDS)
    who, day = _signature(anchor, fields.get("Confirmed by", ""))
    return Decision(anchor, question, reading, why, confirm, source, who, day)


def _signature(anchor: str, text: str) -> tuple[str, date | None]:
    """Who signed an entry, and when; nobody where it does not say."""
    if not text:
        return "", None
    found = _SIGNED.fullmatch(text)
    try:
        if found is not None:
            return found["who"], date.fromisoformat(found["day"])
    except ValueError:
        pass
    raise BadMapping(
        f"{_NAME}: {anchor}: Confirmed by must be a name and a day, such as A. Bykova, 2026-05-20"
    )


def decisions_in(content: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every (key path, anchor) under a key `decision` or `decisions`, however deep."""
    if isinstance(content, dict):
        for key, value in content.items():
            place = f"{path}.{key}" if path else str(key)
            if key == "decision":
                yield place, value
            elif key == "decisions":
                yield from ((place, anchor) for anchor in value)
            else:
                yield from decisions_in(value, place)
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from decisions_in(value, f"{path}[{index}]")
