"""How pydicom shows committed DICOM files through another window than their own.

Writes tools/testing/fixtures/dicom/windows.json, from files that dicom.py has made.

    python tools/golden/dicom_windows.py    # pydicom, numpy
"""

import base64
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut

FOLDER = Path(__file__).parent.parent / "testing" / "fixtures" / "dicom"
CASES = [("window", 2000, 500), ("rescaled", -1100, 350), ("exact", 1500, 1200), ("voi-table", 700, 900), ("monochrome1", 600, 1)]


def shown(name, centre, width):
    ds = dcmread(FOLDER / f"{name}.dcm")
    measured = apply_modality_lut(ds.pixel_array, ds).astype(np.float64)
    low = -(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0
    slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
    least, most = (bound * slope + intercept for bound in (low, low + 2**ds.BitsStored - 1))
    for tag in ("VOILUTSequence", "VOILUTFunction"):
        if tag in ds:
            delattr(ds, tag)
    ds.WindowCenter, ds.WindowWidth = str(centre), str(width)
    share = (apply_voi_lut(measured, ds) - least) / (most - least)
    grey = np.floor(255 * np.clip(share, 0, 1) + 0.5).astype(np.uint8)
    return 255 - grey if ds.PhotometricInterpretation == "MONOCHROME1" else grey


cases = [
    {"name": name, "window": [centre, width], "pixels": base64.b64encode(shown(name, centre, width).tobytes()).decode()}
    for name, centre, width in CASES
]
made = {"pydicom": version("pydicom"), "numpy": np.__version__}
(FOLDER / "windows.json").write_text(json.dumps({"made_with": made, "cases": cases}, indent=1) + "\n")
