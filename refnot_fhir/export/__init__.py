"""What leaves the service in other forms than FHIR: the two records, as JSON, NDJSON and CSV."""

from refnot_fhir.export.assessments import assessment
from refnot_fhir.export.records import SCHEMAS, dosing, eligibility_lab, schema
from refnot_fhir.export.tabular import columns, csv_lines, json_array, ndjson_lines

__all__ = [
    "SCHEMAS",
    "assessment",
    "columns",
    "csv_lines",
    "dosing",
    "eligibility_lab",
    "json_array",
    "ndjson_lines",
    "schema",
]
