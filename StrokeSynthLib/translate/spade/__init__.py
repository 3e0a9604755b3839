"""A translator that is modulated by the map at every resolution (Park et al., CVPR 2019)."""
