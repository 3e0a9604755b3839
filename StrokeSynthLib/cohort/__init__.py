"""Cases on disk: layouts in and out, checks at the door, splits by person."""
