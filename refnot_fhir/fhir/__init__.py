"""What a FHIR version looks like: resources read to records, records written as resources."""
