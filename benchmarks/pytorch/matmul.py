"""PyTorch's speed on a 2048 x 2048 x 2048 float32 product: by it, times measured elsewhere are scaled to this machine."""

import argparse

import torch
from common import add_common_arguments, device_of, report, timed

parser = argparse.ArgumentParser()
add_common_arguments(parser)
args = parser.parse_args()
device = device_of(args)
a, b = torch.randn(2, 2048, 2048, device=device)
times, _ = timed(6, device, lambda: a @ b, warmup=2)
report(args, device, times)
