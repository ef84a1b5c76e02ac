"""Tests of the package, against the real servers."""
