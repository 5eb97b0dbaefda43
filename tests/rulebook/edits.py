"""Copies of the tests' own mappings with one thing changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import TEST_MAPPINGS


def edited(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """A copy in which `old` in `file` reads `new`; an empty `old` appends."""
    folder = tmp_path / "mappings"
    shutil.copytree(TEST_MAPPINGS, folder)
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {file}"
    changed = text.replace(old, new, 1) if old else text + new
    path.write_text(changed, encoding="utf-8")
    return folder
