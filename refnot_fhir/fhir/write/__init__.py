"""From decisions to the FHIR resources that are published, in the version asked for."""
