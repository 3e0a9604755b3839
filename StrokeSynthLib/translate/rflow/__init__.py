"""A translator that draws from noise: rectified flow on a map (Liu et al., ICLR 2023)."""
