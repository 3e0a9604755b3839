"""The translator that learns: a conditional adversarial network (Isola et al., CVPR 2017)."""
