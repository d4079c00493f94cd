"""What the parts of Latent-OFER are, importable without torch."""

from ofer_bench.api import Card

_PAPER = "Lee et al., Latent-OFER: detect, mask, and reconstruct with latent vectors for occluded FER, ICCV 2023"

MAE = Card(
    id="face-mae",
    kind="backbone",
    version="1",
    title="Face MAE",
    load="ofer_bench.latent_ofer.mae:FaceMAE",
    paper=f"{_PAPER}, section 3.2.1; He et al., Masked autoencoders are scalable vision learners, CVPR 2022",
    fidelity="reconstructed recipe",
    notes=(
        "Trained from scratch on the suite's unoccluded faces, where the paper takes ImageNet weights "
        "and says nothing of fine-tuning. Masks mix scattered patches, rectangles and blobs of "
        "20 to 75 percent."
    ),
)

VGG16 = Card(
    id="vgg16",
    kind="backbone",
    version="1",
    title="VGG-16",
    load="ofer_bench.latent_ofer.vgg16:VGG16",
    capability=("needs-weights",),
    paper=(
        "Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR 2015; "
        "perceptual features of Liu et al., Coherent semantic attention for image inpainting, ICCV 2019"
    ),
    fidelity="faithful",
    notes=(
        "Perceptual features for L_c and L_df of the hybrid network, as far as relu4_3, frozen. The suite neither "
        "trains nor ships it: components.vgg16.weights names a file of ImageNet weights in torchvision's or timm's "
        "layout. Images come with ImageNet's statistics, where CSA's and Latent-OFER's code give them in [-1, 1]."
    ),
)

FER_ENCODER = Card(
    id="fer-encoder",
    kind="backbone",
    version="1",
    title="FER encoder",
    load="ofer_bench.latent_ofer.fer_encoder:FEREncoder",
    requires=("face-mae",),
    paper=f"{_PAPER}, section 4.2",
    fidelity="reconstructed recipe",
    notes=(
        "One reading of 'a CNN-based network trained on several FER training datasets for detailed representation in "
        "the image reconstruction module': the encoder of the hybrid network, trained on labels of the suite's faces "
        "under random holes, before the hybrid network starts from it (encoder: fer-encoder)."
    ),
)

VIT_SVDD = Card(
    id="vit-svdd",
    kind="detector",
    version="1",
    title="ViT-SVDD",
    load="ofer_bench.latent_ofer.svdd:ViTSVDD",
    requires=("face-mae",),
    paper=f"{_PAPER}, section 3.1, Eq. 1; Ruff et al., Deep one-class classification, ICML 2018",
    fidelity="reconstructed recipe",
    notes=(
        "Eq. 1 on frozen latents, trained on unoccluded faces only; radius is a quantile of unoccluded "
        "validation patches. Choices of this suite, for the paper gives none and its code holds no "
        "detector: latents encoded patch by patch, whitened per position, the head, nu. Other readings are "
        "settings: contextual latents, centres per position, a soft boundary, occluded training faces."
    ),
)

HYBRID = Card(
    id="hybrid",
    kind="reconstructor",
    version="1",
    title="Hybrid (self-assembly)",
    load="ofer_bench.latent_ofer.hybrid:HybridReconstructor",
    requires=("face-mae", "resnet18"),
    requires_by={
        "perceptual": ("resnet18", "vgg16"),
        "expression": ("resnet18", "part-reader"),
        "encoder": ("fer-encoder",),
    },
    paper=f"{_PAPER}, section 3.2, Eq. 2 to 5",
    fidelity="reconstructed recipe",
    notes=(
        "Follows the equations, differentiable and with the mirror image of the map; the released code "
        "drops p_s and the gradients of four losses. Own choices: residual output; leaner U-Net; L_c and L_df "
        "read features of the FER network where CSA takes VGG-16 (perceptual: vgg16 does so, with weights of "
        "yours), L_df those of its second stage, L_c through learned 1x1 convolutions on the layer and on its mirror "
        "in the decoder; L_re is the mean over the face plus that over the hole, so the hole counts twice; AdamW, with "
        "weight decay on both discriminators too; random holes of 10 to 60 percent. Unless perceptual is vgg16, L_c, "
        "L_sc and L_df all come from one ResNet-18, from whose trunk dan and latent-recognizer start as well: the "
        "network is trained to please relatives of its judges. quick, hours and standard weigh L_re by 10 and L_sc by "
        "0.1, where the paper has 1 and 1. In the latter two Eq. 4 asks a part-reader about the restored part alone, "
        "and the U-Net's encoder starts from a fer-encoder and goes on learning labels, readings of 3.2.3 and 4.2."
    ),
)

RECOGNIZER = Card(
    id="latent-recognizer",
    kind="classifier",
    version="1",
    title="Latent-OFER FER network",
    load="ofer_bench.latent_ofer.recognizer:LatentRecognizer",
    requires=("resnet18", "face-mae", "hybrid"),
    paper=f"{_PAPER}, section 3.3",
    fidelity="reconstructed recipe",
    notes=(
        "Positions are chosen per face by the attention map as the paper says; the released code uses 78 "
        "fixed ones (positions: fixed; on other grids than its 14x14 the same part of the face, our choice). The "
        "latent branch is two layers with ReLU; the released one has 450 million parameters and no activation. Own "
        "choices: latents of the encoder (the released ones have the width of the decoder; latents: decoder takes "
        "those of its last block, which block is theirs is unknown); attention heads of DAN's shapes, channel "
        "before space, where the paper cites CBAM, with the mean over channels for the sum and a batch norm after "
        "the fusion of heads; AdamW; no random erasing, which the released code has. Half of the training faces are "
        "clean, half have random holes restored under their "
        "true mask, where the system restores what its detector finds."
    ),
)

LATENT_OFER = Card(
    id="latent-ofer",
    kind="system",
    version="1",
    title="Latent-OFER",
    composition={"detector": "vit-svdd", "reconstructor": "hybrid", "classifier": "latent-recognizer"},
    stages={"mae": "face-mae", "reconstruction": "hybrid", "recognizer": "latent-recognizer"},
    paper=_PAPER,
    fidelity="reconstructed recipe",
    notes="The paper's weights are not published in a usable form; every part is trained by the suite.",
)

LATENT_OFER_PSEUDO_OCCLUSION = Card(
    id="latent-ofer-pseudo-occlusion",
    kind="system",
    version="1",
    title="Latent-OFER, pseudo-occlusion CNN",
    composition={"detector": "pseudo-occlusion", "reconstructor": "hybrid", "classifier": "latent-recognizer"},
    stages=LATENT_OFER.stages,
    paper=_PAPER,
    fidelity="own design",
    notes="Latent-OFER with another detector than the paper's: what its other parts do where detection works better.",
)
