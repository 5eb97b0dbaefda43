"""The synthetic hospital, and whether the product concludes of it what its manifest says."""
