"""What leaves the service in other forms than FHIR: the two records, and assessments."""
