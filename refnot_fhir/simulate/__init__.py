"""The synthetic hospital: made-up patients, each with a sentence on what it was built to show."""

from refnot_fhir.simulate.manifest import bundles, manifest, schema, write
from refnot_fhir.simulate.patients import Simulated, simulated

__all__ = ["Simulated", "bundles", "manifest", "schema", "simulated", "write"]
