"""Slicer's Python modules that slicer-core leaves out, anew, as far as modules rely on them."""
