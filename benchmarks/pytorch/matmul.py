"""PyTorch's speed on a 2048 x 2048 x 2048 float32 product: by it, times measured elsewhere are scaled to this machine."""

import argparse
import time

import torch
from common import add_common_arguments, device_of, report, synchronize

parser = argparse.ArgumentParser()
add_common_arguments(parser)
args = parser.parse_args()
device = device_of(args)
a, b = torch.randn(2, 2048, 2048, device=device)
times = []
for _ in range(8):
    synchronize(device)
    start = time.perf_counter()
    a @ b
    synchronize(device)
    times.append(time.perf_counter() - start)
report(args, device, times[2:])
