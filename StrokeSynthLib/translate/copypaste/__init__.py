"""Lesion mixing in the manner of CarveMix: real lesions in other people's real images."""
