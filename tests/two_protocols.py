"""The mappings with a second, invented protocol beside the first: data alone, as anybody adds it.

`second_protocol/` holds what is added: its own folder below `protocols/`, and the lines that go at
the end of the dictionaries and of DECISIONS.md. It was written from `mappings/README.md`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

ADDED = Path(__file__).parent / "second_protocol"
MAPPINGS = Path(__file__).parents[1] / "mappings"
ID = "fiction-1"


def both(folder: Path) -> Path:
    """A copy of the mappings with the second protocol added, below `folder`."""
    copy = folder / "mappings"
    shutil.copytree(MAPPINGS, copy)
    for part in (path for path in ADDED.iterdir() if path.is_file()):
        with (copy / part.name).open("a", encoding="utf-8") as file:
            file.write(part.read_text("utf-8"))
    shutil.copytree(ADDED / "protocols", copy / "protocols", dirs_exist_ok=True)
    return copy
