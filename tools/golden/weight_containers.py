"""Writes the weights fixtures with PyTorch: one tiny CLIP vision tower in three containers.

Weights are made from their names by the rules that come with the golden values, salt "containers", rounded to fp16 so
that every container holds the same numbers. `weight_containers.py DIR [CONFIG]`: CONFIG is JSON with the tensors' shapes
(name -> shape); without it, the tiny tower's.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn


def unit(name, n):
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    x = (np.arange(n, dtype=np.uint64) * 0x9E3779B1 + seed) & 0xFFFFFFFF
    x ^= x >> 16
    x = (x * 0x85EBCA6B) & 0xFFFFFFFF
    x ^= x >> 13
    x = (x * 0xC2B2AE35) & 0xFFFFFFFF
    x ^= x >> 16
    return x.astype(np.float64) / 2**32 * 2 - 1


def weight(salt, name, shape):
    values = unit(f"{salt}:{name}", math.prod(shape)).reshape(shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * np.abs(values)
    if name.endswith("running_mean"):
        return 0.1 * values
    if ".bn" in name or "ln_" in name or ".downsample.1" in name:
        if not name.endswith("weight"):
            return 0.1 * values
        return (1 + 0.1 * values) * (0.3 if name.endswith("bn3.weight") else 1)
    if name.endswith((".bias", "in_proj_bias", "positional_embedding")) or name == "token_embedding.weight":
        return 0.05 * values
    if name == "logit_scale":
        return np.array(math.log(1 / 0.07))
    if len(shape) == 4:
        return values * math.sqrt(6 / (shape[1] * shape[2] * shape[3]))
    return values * math.sqrt(3 / (shape[0] if name == "text_projection" else shape[1]))


def module_of(state):
    """Nested modules whose state dict is `state`."""

    class Holder(nn.Module):
        def forward(self, x):
            return x

    root = Holder()
    for name, tensor in state.items():
        *path, leaf = name.split(".")
        module = root
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, Holder())
            module = getattr(module, part)
        if "running" in leaf or "num_batches" in leaf:
            module.register_buffer(leaf, tensor)
        else:
            module.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    return root


def main(folder, shapes):
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: torch.tensor(weight("containers", name, shape)).half() for name, shape in shapes.items()}
    torch.save(state, folder / "clip_zip.pth")
    torch.save({"epoch": 3, "state_dict": state}, folder / "clip_legacy.pth", _use_new_zipfile_serialization=False)
    root = module_of(state)
    for name, value in [("input_resolution", 224), ("context_length", 77), ("vocab_size", 49408)]:
        root.register_buffer(name, torch.tensor(value))
    torch.jit.script(root).save(str(folder / "clip_scripted.pt"))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    config = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "testing/fixtures/container_shapes.json"
    main(target, json.loads(config.read_text()))
