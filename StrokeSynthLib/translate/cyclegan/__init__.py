"""A translator from unpaired maps and images: cycle-consistent adversarial networks."""
