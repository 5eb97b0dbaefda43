"""The FHIR REST interface, one file per interaction."""
