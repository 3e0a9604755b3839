"""Lesions learned from real masks: a shape model, a Wasserstein GAN, and the source that draws from them."""
