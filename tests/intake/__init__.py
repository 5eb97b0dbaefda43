"""Tests of how a delivery is planned and carried out."""
