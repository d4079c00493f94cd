"""What each compared system is, importable without torch."""

from ofer_bench.api import Card

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

DAN = Card(
    id="dan",
    kind="classifier",
    version="1",
    title="DAN",
    load="ofer_baselines.dan:DAN",
    requires=("resnet18",),
    paper="Wen et al., Distract your attention: multi-head cross attention network for FER, 2021",
    fidelity="faithful",
    notes="Trunk initialised from the suite's ResNet-18, where the paper takes MS-Celeb-1M weights.",
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

MAE = Card(
    id="mae",
    kind="reconstructor",
    version="1",
    title="MAE",
    load="ofer_baselines.mae:MAEReconstructor",
    requires=("face-mae",),
    paper="He et al., Masked autoencoders are scalable vision learners, CVPR 2022",
    fidelity="faithful",
    notes="The coarse stage of Latent-OFER alone: the same trained auto-encoder without the hybrid stage.",
)

CONVENTIONAL = Card(
    id="conventional",
    kind="reconstructor",
    version="1",
    title="Conventional 3x3",
    load="ofer_bench.latent_ofer.hybrid:ConventionalReconstructor",
    requires=("face-mae", "resnet18"),
    paper="Latent-OFER, Table 8: the hybrid network with a 3x3 convolution in place of the self-assembly layer",
    fidelity="faithful",
)

MEAN_FILL = Card(
    id="mean-fill",
    kind="reconstructor",
    version="1",
    title="Mean colour",
    load="ofer_baselines.mean_fill:MeanFill",
    paper="",
    fidelity="faithful",
    notes="Floor of the reconstruction tables: the hole gets the mean colour of the training faces.",
)
