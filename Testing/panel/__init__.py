"""Tests of the Slicer panel, driven as by a user in the headless host."""
