"""An ONNX model whose weights are in a file beside it, as large models' are: onnx/external/.

    pip install onnx==1.23.2
    python onnx_external_data.py DIR

DIR is the folder that onnx_folders.py made: the model is its SigLIP's vision tower, written anew by `onnx`, so the features in
its `cases.json` are this one's too.
"""

import sys
from pathlib import Path

import onnx

DIR = Path(sys.argv[1])
model = onnx.load(DIR / "siglip/onnx/vision_model.onnx")
(DIR / "external").mkdir(exist_ok=True)
onnx.save_model(
    model,
    DIR / "external/vision_model.onnx",
    save_as_external_data=True,
    all_tensors_to_one_file=True,
    location="vision_model.onnx_data",
    size_threshold=256,
)
