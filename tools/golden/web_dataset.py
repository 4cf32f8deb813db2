"""Writes two small tars as WebDataset has them: `web_dataset.py DIR`. Written with webdataset 1.0.2.

The second one holds a sample without a picture, and one whose JSON is none.
"""

import sys
from pathlib import Path

import numpy as np
import webdataset as wds


def picture(value):
    return np.full((30, 40, 3), value, np.uint8)


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    same = {"mtime": 0, "user": "", "group": ""}
    with wds.TarWriter(str(out / "shard-000000.tar"), **same) as tar:
        boxes = [[1, 2, 21, 22]]
        tar.write({"__key__": "a/0001", "png": picture(10), "txt": "A red mug.", "json": {"boxes": boxes, "split": "train"}})
        tar.write({"__key__": "a/0002", "jpg": picture(90), "json": {"caption": "No lid. Red, 3.5 cm."}})
        tar.write({"__key__": "b/0003", "seg.png": picture(1), "png": picture(200), "cls": "blue lid"})
    with wds.TarWriter(str(out / "shard-000001.tar"), **same) as tar:
        tar.write({"__key__": "0004", "txt": "A mug without a picture."})
        tar.write({"__key__": "0005", "png": picture(20), "json": b"{"})
        tar.write({"__key__": "0006", "png": picture(30), "cls": 7})
        tar.write({"__key__": "0007", "ppm": picture(40), "txt": "a lid"})


main()
