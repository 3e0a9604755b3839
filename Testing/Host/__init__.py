"""A headless host for the Slicer module: real scene, real Qt, strict stand-ins. See README.md."""
