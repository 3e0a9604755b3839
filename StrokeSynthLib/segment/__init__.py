"""Image to lesion: training, prediction, models."""
