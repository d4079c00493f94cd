"""What each compared system is, importable without torch."""

from ofer_bench.api import Card
from ofer_bench.latent_ofer.cards import HYBRID

RESNET18 = Card(
    id="resnet18",
    kind="classifier",
    version="1",
    title="ResNet-18",
    load="ofer_baselines.resnet18:ResNet18",
    paper="He et al., Deep residual learning for image recognition, CVPR 2016",
    fidelity="faithful",
    notes="Also the Grad-CAM reference and the frozen FER network of the semantic consistency loss (Eq. 4).",
)

PART_READER = Card(
    id="part-reader",
    kind="classifier",
    version="1",
    title="Part reader (ResNet-18)",
    load="ofer_baselines.part_reader:PartReader",
    paper="After He et al., Deep residual learning for image recognition, CVPR 2016",
    fidelity="own design",
    notes=(
        "No system of the paper: a ResNet-18 trained on whole faces, on faces with random grey holes and on what the "
        "holes took. It can judge in Eq. 4 what a restored part expresses by itself (hybrid: expression: part-reader), "
        "and is a control for systems that restore: what training under holes is worth alone."
    ),
)

DAN = Card(
    id="dan",
    kind="classifier",
    version="1",
    title="DAN",
    load="ofer_baselines.dan:DAN",
    requires=("resnet18",),
    paper="Wen et al., Distract your attention: multi-head cross attention network for FER, 2021",
    fidelity="reconstructed recipe",
    notes=(
        "Network and losses as published; trunk initialised from the suite's ResNet-18, where the paper takes "
        "MS-Celeb-1M weights. AdamW with warm-up and cosine in place of SGD in steps; flips, rotations, scales, "
        "shifts and colours of the suite, with the random erasing of DAN's RAF-DB training (2 to 25 percent of the "
        "face, of every other face, in a random colour). The epoch is chosen on validation faces, there on test faces."
    ),
)

ONE_CLASS_SVM = Card(
    id="one-class-svm",
    kind="detector",
    version="1",
    title="One-class SVM",
    load="ofer_baselines.one_class_svm:OneClassSVMDetector",
    paper="Schoelkopf et al., Estimating the support of a high-dimensional distribution, 2001",
    fidelity="from description",
    notes="RBF nu-SVM on PCA of a patch's pixels and its place; the paper names neither features nor kernel.",
)

PSEUDO_OCCLUSION = Card(
    id="pseudo-occlusion",
    kind="detector",
    version="1",
    title="Pseudo-occlusion CNN",
    load="ofer_baselines.pseudo_occlusion_detector:PseudoOcclusionDetector",
    requires=("resnet18",),
    paper="After Zavrtanik et al., DRAEM: a discriminatively trained reconstruction embedding, ICCV 2021",
    fidelity="own design",
    notes=(
        "No system of the paper: a control for its one-class detectors. A ResNet-18 with a feature pyramid that learns "
        "the covered share of every cell, sixteen to a patch, from made-up occlusions of unoccluded faces (blobs, "
        "fingers, borders; pieces of other faces and shaded, textured colours), where the paper asks for training on "
        "unoccluded patches alone. No object is seen. After it a system replaces cells, not whole patches."
    ),
)

MAE = Card(
    id="mae",
    kind="reconstructor",
    version="1",
    title="MAE",
    load="ofer_baselines.mae:MAEReconstructor",
    requires=("face-mae",),
    paper="He et al., Masked autoencoders are scalable vision learners, CVPR 2022",
    fidelity="reconstructed recipe",
    notes=(
        "The coarse stage of Latent-OFER alone: the same auto-encoder, trained on the suite's faces, without the "
        "hybrid stage. It paints the hole only, so its raw output is the image with the hole pasted in."
    ),
)

CONVENTIONAL = Card(
    id="conventional",
    kind="reconstructor",
    version="1",
    title="Conventional 3x3",
    load="ofer_bench.latent_ofer.hybrid:ConventionalReconstructor",
    requires=("face-mae", "resnet18"),
    requires_by=HYBRID.requires_by,
    paper="Latent-OFER, Table 8: the hybrid network with a 3x3 convolution in place of the self-assembly layer",
    fidelity="reconstructed recipe",
    notes="All but the layer is that of the card hybrid, with the same choices; of the layer the paper gives the 3x3.",
)

CSA = Card(
    id="csa",
    kind="reconstructor",
    version="1",
    title="Hybrid with the CSA layer (Table 8)",
    load="ofer_bench.latent_ofer.hybrid:CSAReconstructor",
    requires=("face-mae", "resnet18"),
    requires_by=HYBRID.requires_by,
    paper=(
        "Latent-OFER, Table 8: the hybrid network with the CSA layer in place of the self-assembly layer; Liu et al., "
        "Coherent semantic attention for image inpainting, ICCV 2019"
    ),
    fidelity="reconstructed recipe",
    notes=(
        "All but the layer is that of the card hybrid, with the same choices. The layer computes what CSA's code "
        "computes, with negative similarities at 0, and has the gradient of that; the code has a backward pass of its "
        "own, which routes almost nothing. Not the two networks of CSA, which Tables 2 and 9 may mean."
    ),
)

RELEASED = Card(
    id="released",
    kind="reconstructor",
    version="1",
    title="Hybrid with the released layer",
    load="ofer_bench.latent_ofer.hybrid:ReleasedReconstructor",
    requires=("face-mae", "resnet18"),
    requires_by=HYBRID.requires_by,
    paper="Latent-OFER, section 3.2.2, as the authors' code (github.com/leeisack/Latent-OFER) computes it",
    fidelity="reconstructed recipe",
    notes=(
        "The layer alone, forward and backward: p_s is not mirrored and stays out of the output, whose weights sum to "
        "less than 1; similarities normalise one side; no hole but the first hands on a gradient. Not as released: "
        "every face has its own hole, in true batches; the flip features are an untrained convolution at the layer "
        "and not half of a doubled encoder. All else is that of the card hybrid, with the same choices: a cell of the "
        "map belongs to the hole as soon as one pixel does, and all losses have gradients, which four of the "
        "release's have not."
    ),
)

MEAN_FILL = Card(
    id="mean-fill",
    kind="reconstructor",
    version="1",
    title="Mean colour",
    load="ofer_baselines.mean_fill:MeanFill",
    paper="",
    fidelity="faithful",
    notes=(
        "Floor of the reconstruction tables: the hole gets the mean colour of the training faces. It fills the hole "
        "only, so its raw output is the image with the hole pasted in."
    ),
)
