"""DICOM files in the forms that `villa ingest` reads, and how pydicom shows them.

Writes tools/testing/fixtures/dicom: small files, and `expected.json` with the grey levels or colours of each frame.

    python tools/golden/dicom.py    # pydicom, numpy, Pillow, pylibjpeg-openjpeg, pyjpegls, imagecodecs
"""

import base64
import io
import json
from importlib.metadata import version
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

FOLDER = Path(__file__).parent.parent / "testing" / "fixtures" / "dicom"
ROWS, COLUMNS = 34, 40
expected = {}


def scan(frames=1, bits=12, signed=False):
    """A ramp with a bright disc that moves from frame to frame."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    top = 2**bits - 1
    levels = [(x * 60 + y * 40 + ((x - 6 - f) ** 2 + (y - 9) ** 2 < 20) * 1500) * (top + 1) // 4096 for f in range(frames)]
    values = np.clip(np.array(levels), 0, top) - (top // 2 if signed else 0)
    dtype = (np.int16 if signed else np.uint16) if bits > 8 else np.uint8
    return values.astype(dtype) if frames > 1 else values[0].astype(dtype)


def dataset(pixels, syntax=ExplicitVRLittleEndian, photometric="MONOCHROME2", bits=12, **tags):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.826.0.1.3680043.8.498.1"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Secret^Person", "P-0042", "19510413"
    ds.StudyDate, ds.ReferringPhysicianName = "20210203", "Hidden^Doctor"
    ds.Rows, ds.Columns, ds.PhotometricInterpretation = ROWS, COLUMNS, photometric
    colour = photometric in ("RGB", "YBR_FULL", "YBR_FULL_422")
    ds.SamplesPerPixel = 3 if colour else 1
    ds.BitsAllocated = 16 if pixels.dtype.itemsize == 2 else 8
    ds.BitsStored, ds.HighBit = bits, bits - 1
    ds.PixelRepresentation = int(np.issubdtype(pixels.dtype, np.signedinteger))
    if pixels.ndim == 3 and not colour:
        ds.NumberOfFrames = len(pixels)
    for name, value in tags.items():
        setattr(ds, name, value)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    ds["PixelData"].VR = "OW" if ds.BitsAllocated == 16 else "OB"
    return ds


def levels(ds, values):
    """0 … 255 as DICOM's formulas have them; pydicom's windows give the whole range of the output."""
    measured = apply_modality_lut(values, ds)
    if "VOILUTSequence" in ds:
        shown = apply_voi_lut(measured.astype(np.int32), ds) / (2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1)
    elif "WindowCenter" in ds:
        low = -(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        least, most = (bound * slope + intercept for bound in (low, low + 2**ds.BitsStored - 1))
        shown = (apply_voi_lut(measured.astype(np.float64), ds) - least) / (most - least)
    else:
        kept = measured[values != ds.PixelPaddingValue] if "PixelPaddingValue" in ds else measured
        shown = (measured - kept.min()) / (kept.max() - kept.min())
    grey = np.floor(255 * np.clip(shown, 0, 1) + 0.5).astype(np.uint8)
    return 255 - grey if ds.PhotometricInterpretation == "MONOCHROME1" else grey


def save(name, ds, pictures=None, tolerance=0):
    path = FOLDER / f"{name}.dcm"
    ds.save_as(path, enforce_file_format=True)
    if pictures is None:
        values = ds.pixel_array
        pictures = [levels(ds, frame) for frame in (values if "NumberOfFrames" in ds else [values])]
    expected[name] = {
        "syntax": ds.file_meta.TransferSyntaxUID.name,
        "tolerance": tolerance,
        "frames": [base64.b64encode(np.ascontiguousarray(picture).tobytes()).decode() for picture in pictures],
    }


def encapsulated(ds, frames, syntax):
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    return ds


def jpeg(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def table(first, entries, bits):
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, bits]
    item.LUTData = np.array(entries, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    item["LUTDescriptor"].VR = "US"
    return Sequence([item])


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    window = {"WindowCenter": ["1200", "40"], "WindowWidth": ["1800", "400"]}
    save("window", dataset(scan(), **window, PixelSpacing=["0.5", "0.25"]))
    save("rescaled", dataset(scan(signed=True), RescaleSlope="0.5", RescaleIntercept="-1024", WindowCenter="-900", WindowWidth="700"))
    save("exact", dataset(scan(), WindowCenter="1000", WindowWidth="900", VOILUTFunction="LINEAR_EXACT"))
    save("sigmoid", dataset(scan(), WindowCenter="1000", WindowWidth="900", VOILUTFunction="SIGMOID"), tolerance=1)
    save("monochrome1", dataset(scan(), photometric="MONOCHROME1", **window, ImagerPixelSpacing=["0.14", "0.14"]))
    padded = scan()
    padded[:, :3] = 4000
    save("padded", dataset(padded, ImplicitVRLittleEndian, PixelPaddingValue=4000))
    save("big-endian", dataset(scan(), ExplicitVRBigEndian, **window))
    save("deflated", dataset(scan(), DeflatedExplicitVRLittleEndian, **window))
    voi = [int(65535 * (i / 255) ** 2) for i in range(256)]
    save("voi-table", dataset(scan(), VOILUTSequence=table(300, voi, 16)))
    save("frames", dataset(scan(frames=4), **window))
    for name, syntax in [("rle", RLELossless), ("jpeg-ls", JPEGLSLossless), ("jpeg-2000", JPEG2000Lossless)]:
        for kind, pixels in [("", scan()), ("-frames", scan(frames=3))]:
            ds = dataset(pixels, **window)
            ds.compress(syntax, generate_instance_uid=False)
            save(name + kind, ds)
    pixels = scan()
    ds = encapsulated(dataset(pixels, **window), [imagecodecs.ljpeg_encode(pixels, bitspersample=12)], JPEGLosslessSV1)
    save("jpeg-lossless", ds, [levels(ds, pixels)])
    eight = scan(bits=8)
    ds = encapsulated(dataset(eight, bits=8), [jpeg(eight)], JPEGBaseline8Bit)
    save("jpeg", ds, [levels(ds, np.asarray(Image.open(io.BytesIO(jpeg(eight)))))], tolerance=2)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    colours = np.stack([x * 6, y * 7, 255 - x * 5], axis=-1).astype(np.uint8)
    save("rgb", dataset(colours, photometric="RGB", bits=8, PlanarConfiguration=0), [colours])
    planes = dataset(colours, photometric="RGB", bits=8, PlanarConfiguration=1)
    planes.PixelData = np.moveaxis(colours, -1, 0).tobytes()
    save("planes", planes, [colours])
    luminance = convert_color_space(colours, "RGB", "YBR_FULL")
    back = convert_color_space(luminance, "YBR_FULL", "RGB")
    save("ybr", dataset(luminance, photometric="YBR_FULL", bits=8, PlanarConfiguration=0), [back], tolerance=1)
    places = (x + y).astype(np.uint8) % 16
    ds = dataset(places, photometric="PALETTE COLOR", bits=8)
    for c, name in enumerate(["Red", "Green", "Blue"]):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [16, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", np.array([(i * (c + 3) * 1000) % 65536 for i in range(16)], "<u2").tobytes())
    save("palette", ds, [(apply_color_lut(places, ds) >> 8).astype(np.uint8)])
    about = {"pydicom": version("pydicom"), "rows": ROWS, "columns": COLUMNS, "files": expected}
    (FOLDER / "expected.json").write_text(json.dumps(about, indent=1) + "\n")


main()
