"""Around a module: scene and logics (real), qSlicerApplication and its managers (stand-ins)."""
