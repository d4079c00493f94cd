"""The occlusion families of the paper, one file per family."""
