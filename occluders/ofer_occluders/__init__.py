"""The occlusion families of the paper and more, one file per family."""
