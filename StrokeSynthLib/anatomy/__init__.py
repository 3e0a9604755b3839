"""Semantic maps: from label maps, from images, deformed into new people."""
