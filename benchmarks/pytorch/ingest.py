"""Time of making a dataset of a table and a folder of pictures with pandas and PIL, as one would write it in an afternoon.

    python3 ingest.py [--images 48] [--width 640] [--height 480] [--repeats 3]

The same pictures and texts as benchmarks/src/ours/ingest.ts draws; in a process of its own there as here, so that the peak
of memory is that of the loop.
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
import PIL
from memory import own_peak_mib
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("--images", type=int, default=48)
parser.add_argument("--width", type=int, default=640)
parser.add_argument("--height", type=int, default=480)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--threads", type=int, default=1, help="the loop uses one")
parser.add_argument("--device", default="cpu")
parser.add_argument("--draw", type=pathlib.Path, help="draw the pictures into a folder, and nothing else")
args = parser.parse_args()
words = ["red", "mug", "crate", "label"]


def draw(folder):
    y, x, channel = np.meshgrid(range(args.height), range(args.width), range(3), indexing="ij")
    for i in range(args.images):
        waves = 96 * np.sin(x / (20 + i)) * np.cos(y / (15 + i) + channel)
        grain = (x * 7 + y * 13 + channel * 5 + i) % 16
        Image.fromarray((128 + waves + grain - 8).astype(np.uint8)).save(folder / f"{i}.png")


if args.draw:
    draw(args.draw)
    sys.exit()

folder = pathlib.Path(tempfile.mkdtemp())
subprocess.run([sys.executable, __file__, *sys.argv[1:], "--draw", folder], check=True)
rows = [{"image": f"{i}.png", "text": f"A {words[i % 4]} stands here."} for i in range(args.images)]
pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
(folder / "attributes.json").write_text(json.dumps(words))


def ingest(out):
    (out / "images").mkdir()
    attributes = json.loads((folder / "attributes.json").read_text())
    patterns = {name: re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE) for name in attributes}
    table = pd.read_csv(folder / "table.csv")
    rows = []
    for i, row in enumerate(table.itertuples()):
        image = Image.open(folder / row.image).convert("RGB")
        image.save(out / "images" / f"{i}.png")
        w, h = image.width / 3, image.height / 3
        boxes = [[x * w, y * h, (x + 1) * w, (y + 1) * h] for y in range(3) for x in range(3)]
        found = [name for name, pattern in patterns.items() if pattern.search(row.text)]
        rows.append({"image": f"{i}.png", "text": row.text, "attributes": found, "boxes": boxes})
    pd.DataFrame(rows).to_json(out / "annotations.jsonl", orient="records", lines=True)
    return len(rows)


times = []
for _ in range(1 + args.repeats):
    out = pathlib.Path(tempfile.mkdtemp())
    start = time.perf_counter()
    count = ingest(out)
    times.append((time.perf_counter() - start) / count)
    shutil.rmtree(out)
shutil.rmtree(folder)
print(
    json.dumps(
        {
            "program": f"pandas {pd.__version__}, PIL {PIL.__version__}",
            "device": "cpu",
            "threads": 1,
            "seconds": statistics.median(times[1:]),
            "peakMemoryMiB": own_peak_mib(),
        }
    )
)
