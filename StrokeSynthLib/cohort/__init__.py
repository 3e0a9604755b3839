"""Cases on disk: layouts in and out (BIDS, ISLES'22, nnU-Net), checks, splits."""
