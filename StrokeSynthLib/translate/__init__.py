"""Map and lesion to image: one interface, many models."""
