"""Published figures that a report sets beside a study of the same data, under their own convention.

References:
    Xia et al., Theoretical Insights in Model Inversion Robustness and Conditional Entropy Maximization for
    Collaborative Inference Systems, CVPR 2025.
"""

from reports.tables import PublishedRow

NOTE = (
    "VGG11; the network learns from all 50,000 training images, and so does the decoder ('infer': scored on the 10,000 "
    "test images); one seed; ssim with zero-padded windows"
)

CIFAR10 = {
    "No_defense": (0.9186, 0.0014, None),
    "Bottleneck": (0.9087, 0.0041, 0.863),
    "Bottleneck + CEM": (0.9069, 0.0058, 0.813),
    "DistCorr": (0.8952, 0.0082, 0.779),
    "DistCorr + CEM": (0.8980, 0.0093, 0.757),
    "Dropout": (0.8775, 0.0104, 0.729),
    "Dropout + CEM": (0.8753, 0.0134, 0.682),
    "PATROL": (0.8958, 0.0293, 0.537),
    "PATROL + CEM": (0.8967, 0.0335, 0.506),
    "ResSFL": (0.8968, 0.0240, 0.595),
    "ResSFL + CEM": (0.9011, 0.0251, 0.571),
    "Noise_Nopeek": (0.8719, 0.0159, 0.664),
    "Noise_Nopeek + CEM": (0.8708, 0.0174, 0.643),
    "Noise_ARL": (0.8778, 0.0336, 0.501),
    "Noise_ARL + CEM": (0.8762, 0.0355, 0.484),
}
"""Accuracy in [0, 1], the decoder's infer mse, and its ssim, by method."""


def published(data: str) -> list[PublishedRow]:
    """Return the published figures for a data set; none if there are none."""
    if data != "cifar10":
        return []
    return [
        PublishedRow(table="CVPR 2025, CIFAR-10", method=method, accuracy=accuracy, mse=mse, ssim=ssim, note=NOTE)
        for method, (accuracy, mse, ssim) in CIFAR10.items()
    ]
