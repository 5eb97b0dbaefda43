"""One mapping file read, checked against the schema of its kind, and able to say what is wrong."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from refnot_fhir.core.record import record
from refnot_fhir.errors import BadMapping, Problem
from refnot_fhir.rulebook import find

Table = Mapping[str, Any]


@record
class MappingFile:
    """A mapping file that its schema accepts."""

    name: str
    """Path below the mappings folder, with `/`."""
    content: Table
    data: bytes
    """As read, line ends unified: what the digests are computed from."""

    def wrong(self, key: str, reason: str, allowed: Iterable[str] = ()) -> BadMapping:
        """The error that names this file, the key and the reason, and what is allowed there."""
        return BadMapping(f"{self.name}: {key}: {reason}{_offer(allowed)}")


def read(root: Path, name: str, kind: str) -> MappingFile:
    """The file `name` below `root`, valid by the schema of its `kind`; `BadMapping` otherwise."""
    data = _bytes(root, name)
    try:
        content = tomllib.loads(data.decode("utf-8"), parse_float=_number)
    except UnicodeDecodeError as error:
        raise BadMapping(f"{name}: byte {error.start}: the file is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise BadMapping(f"{name}: not TOML: {error}") from error
    except ArithmeticError as error:
        raise BadMapping(f"{name}: {error}") from error
    content = _plain(content)
    errors = sorted(_validator(kind).iter_errors(content), key=_place)
    if errors:
        raise _all_wrong(name, tuple(_told(error) for error in errors))
    return MappingFile(name, content, data)


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ArithmeticError(f"{text} is not a number that anything can be compared with")
    return number


def _bytes(root: Path, name: str) -> bytes:
    path = root / name
    try:
        return path.read_bytes().replace(b"\r\n", b"\n")
    except FileNotFoundError as error:
        raise BadMapping(f"{name}: the file is missing in {root}") from error
    except OSError as error:
        raise BadMapping(f"{name}: cannot be read: {error.strerror}") from error


def _plain(value: Any) -> Any:
    """Dates and times as text, for JSON Schema knows no others."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date | time):
        return value.isoformat()
    return value


@cache
def _validator(kind: str) -> Draft202012Validator:
    schema = json.loads(find.schema(kind).read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def _place(error: ValidationError) -> str:
    return "".join(f"{part:>6}" if isinstance(part, int) else f"/{part}" for part in error.path)


def all_wrong(found: Sequence[BadMapping]) -> BadMapping:
    """What is wrong with several files as one error."""
    problems = tuple(one for error in found for one in error.problems)
    return BadMapping(_first(problems), problems)


def _first(problems: Sequence[Problem]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return problems[0].message + more


def _all_wrong(name: str, told: tuple[tuple[str, str], ...]) -> BadMapping:
    problems = tuple(
        Problem("invalid", f"{name}: {key}: {reason}", f"{name}#{key}") for key, reason in told
    )
    return BadMapping(_first(problems), problems)


def _told(error: ValidationError) -> tuple[str, str]:
    """The key path and the reason in words of one schema error."""
    key = _key(error.absolute_path) or "top level"
    rule: Any = error.validator_value
    found: Any = error.instance
    match error.validator:
        case "additionalProperties" if rule is False:
            schema: Any = error.schema
            known = tuple(schema["properties"])
            extra = ", ".join(sorted(set(found) - set(known)))
            return key, f"unknown key {extra}{_offer(known)}"
        case "enum":
            return key, f"{found!r} is not allowed{_offer(str(item) for item in rule)}"
        case "required":
            missing = ", ".join(item for item in rule if item not in found)
            return key, f"{missing} is missing"
        case "oneOf" | "anyOf":
            return key, f"needs {' or '.join(_keys_of(rule))}, and only what belongs together"
        case "pattern":
            return key, f"{found!r} is not of the form {rule}"
    return key, error.message.replace("Decimal('", "'")


def _keys_of(branches: Iterable[Table]) -> Iterator[str]:
    for branch in branches:
        yield " with ".join(branch.get("required", ()))


def _key(path: Iterable[str | int]) -> str:
    """`criterion[3].rule.window`, as it would be said of the TOML file; dotted names are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if part.replace("-", "").replace("_", "").isalnum() else f'"{part}"'
            text += f".{shown}" if text else shown
    return text


def _offer(allowed: Iterable[str]) -> str:
    names = ", ".join(allowed)
    return f"; allowed: {names}" if names else ""
