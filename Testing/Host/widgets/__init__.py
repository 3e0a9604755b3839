"""Stand-ins for widgets of CTK and Slicer: what PythonQt shows of them (properties, slots, signals).

The names are those of the C++ headers. A plain C++ setter that is no slot cannot be called from Python, so it
is not here either: `selector.noneEnabled = True` works in Slicer, `selector.setNoneEnabled(True)` does not.
"""
