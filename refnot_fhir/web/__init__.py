"""HTTP, and only here: parse, one verb, render."""
