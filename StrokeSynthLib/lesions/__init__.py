"""Lesion masks: real and procedural, placed by arterial territory."""
