"""What is published and seldom changes, built through the models of fhir.resources.

The models are loaded at first use (0.4 s of processor) and each content is built once in a process:
nothing that a bundle, or a search for subjects, waits for comes here.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from refnot_fhir.fhir import wire
from refnot_fhir.fhir.versions import Version
from refnot_fhir.fhir.write.published import Json

_KEPT = 256
"""Contents that are kept: the definitions of a rulebook in all versions, and some to spare."""


def built(content: Json, version: Version) -> Json:
    """The resource as the model of its type and version writes it: elements in FHIR's order.

    Raises ValueError when the model refuses the content, or would lose or alter anything of it.
    Contents have no decimals: the models keep numbers but not their digits.
    """
    made: Json = json.loads(_made(wire.encode(content), version))
    return made


@lru_cache(maxsize=_KEPT)
def _made(text: bytes, version: Version) -> str:
    content = json.loads(text)
    made: str = _model(content["resourceType"], version).model_validate(content).model_dump_json()
    written = json.loads(made)
    altered = [name for name in content | written if content.get(name) != written.get(name)]
    if altered:
        raise ValueError(f"{content['resourceType']}: {', '.join(altered)} would be altered")
    return made


def _model(type_: str, version: Version) -> Any:
    from fhir.resources import R4B, get_fhir_model_class

    # There is no R4 in it; the R4B models have the same elements for the types published here.
    get = get_fhir_model_class if version is Version.R5 else R4B.get_fhir_model_class
    return get(type_)
