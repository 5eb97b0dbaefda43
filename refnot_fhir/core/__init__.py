"""What the trial knows and how it decides: values in, values out; no clock, no files."""
