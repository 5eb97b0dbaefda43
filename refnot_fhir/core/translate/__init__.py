"""From hospital words to the protocol's words: codes, units, numbers, limits, drugs, doses."""
