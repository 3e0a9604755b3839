"""Tests of what the extension ships: file lists, metadata, imports, the package tree."""
