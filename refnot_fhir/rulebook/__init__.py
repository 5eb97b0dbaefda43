"""The mapping files understood, linted, and printed back in plain English."""
