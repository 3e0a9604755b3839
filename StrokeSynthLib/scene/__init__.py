"""MRML nodes to and from the library's volumes; the only room that imports ``slicer`` or ``vtk``.

Like Slicer itself, and unlike the rest of the library, it is written in camelCase. Of the library it imports
only ``volume``, ``schema``, ``errors`` and ``jobs.client``, so that it works before anything is installed.
"""
