"""Records as data managers read them: CSV, NDJSON and JSON, without FHIR."""
