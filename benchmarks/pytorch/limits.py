"""PyTorch's speed on one large product and one large 3 x 3 convolution, in GFLOP/s: what its engines reach on this machine.

    python3 limits.py [--threads 2]
"""

import argparse
import json
import statistics

import torch
from common import add_common_arguments, device_of, timed

parser = argparse.ArgumentParser()
add_common_arguments(parser)
args = parser.parse_args()
device = device_of(args)


def gflops(operations, work, repeats=10):
    with torch.inference_mode():
        times, _ = timed(repeats, device, work, warmup=2)
    return operations / statistics.median(times) / 1e9


a, b = torch.randn(2, 2048, 2048, device=device)
images = torch.randn(8, 256, 56, 56, device=device).to(memory_format=torch.channels_last)
layer = torch.nn.Conv2d(256, 256, 3, padding=1, bias=False).to(device, memory_format=torch.channels_last)
print(
    json.dumps(
        {
            "program": f"PyTorch {torch.__version__}",
            "productGflops": gflops(2 * 2048**3, lambda: a @ b),
            "convolutionGflops": gflops(2 * images.numel() * 256 * 9, lambda: layer(images)),
        }
    )
)
