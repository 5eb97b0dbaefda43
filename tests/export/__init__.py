"""The two records, and their forms."""
