"""Agreement of masks with references, statistics over cases, realism of images."""
