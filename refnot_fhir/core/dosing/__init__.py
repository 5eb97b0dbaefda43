"""The doses of one patient against the schedule of the protocol."""
