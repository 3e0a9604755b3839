"""The translator that fits signal statistics: seconds instead of hours of training."""
