"""From a received resource of any FHIR version to what it said, in the hospital's words."""
