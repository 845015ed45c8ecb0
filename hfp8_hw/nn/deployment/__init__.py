"""Models that were trained in FP32, deployed in other arithmetics without further training.

`rounders` round activations, with scales from calibration where an arithmetic has any, and
`weights` are rounded once. `layers` compute with them, `models` puts both into a model and has the
running statistics of batch normalization re-tuned. `scores` deploys the model of a training run in
several arithmetics, and `batch` does so for many runs. `onnx_file` writes a deployed model as an
ONNX file, and `onnx_nodes` rounds with ONNX's operators; both need onnx, the rest does not.
"""

from .models import DEPLOYED, calibrate, deploy, norms, retune

__all__ = ["DEPLOYED", "calibrate", "deploy", "norms", "retune"]
