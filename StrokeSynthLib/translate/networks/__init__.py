"""Translators that are networks: the frame they work in, their data, their training, their painting."""
