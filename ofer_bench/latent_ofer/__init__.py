"""The paper's model, part by part.

The stages share no latents, for their inputs differ: the detector's come from the raw face, each patch seen alone, the
reconstruction's from the kept patches, which see each other, the recogniser's from all patches of the restored face.
The last two are equal where nothing was found (all three under the detector's ``latent: contextual``), yet no batch can
count on it. Kept patches share their linear embedding, below 1 % of an encoder's cost in ViT-B.
"""
