"""refnot-fhir: hospital FHIR in, trial eligibility and dosing out, ResearchSubject published."""

__version__ = "0.1.0"
