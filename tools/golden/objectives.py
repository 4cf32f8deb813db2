"""Writes tools/testing/fixtures/objectives.json: SigLIP's and CLIP's losses with what they learn, and cosine schedules.

open_clip_torch 3.3.0 (its losses and schedule) with torch 2.14.1 and torchvision 0.29.1, in float64:

    python3 tools/golden/objectives.py

Rows and texts are values made from names (see named_values.py), normalised. A case's gradients are those of the rows,
`logit_scale` (log 1/tau) and `logit_bias`; `after` are the two after three steps of torch's Adam on them alone.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from open_clip.loss import ClipLoss, SigLipLoss
from open_clip_train.scheduler import cosine_lr

from named_values import rounded, unit

ROWS, DIMENSION = 7, 12
torch.set_default_dtype(torch.float64)


def rows(name):
    values = torch.tensor(unit(name, ROWS * DIMENSION).reshape(ROWS, DIMENSION))
    return F.normalize(values, dim=-1)


def case(loss, temperature, bias):
    images, texts = rows("objectives:images").requires_grad_(), rows("objectives:texts")
    learned = {"logit_scale": torch.tensor(temperature).log().neg().requires_grad_()}
    if loss == "sigmoid":
        learned["logit_bias"] = torch.tensor(float(bias)).requires_grad_()
    optimizer = torch.optim.Adam(learned.values(), lr=0.01)
    losses = []
    for step in range(3):
        scale = learned["logit_scale"].exp()
        if loss == "sigmoid":
            value = SigLipLoss()(images, texts, scale, learned["logit_bias"])
        else:
            value = ClipLoss()(images, texts, scale)
        optimizer.zero_grad()
        value.backward()
        losses.append(value.item())
        if step == 0:
            gradients = {name: rounded(tensor.grad) for name, tensor in learned.items()}
            gradients["images"] = rounded(images.grad)
        optimizer.step()
    after = {name: rounded(tensor.detach()) for name, tensor in learned.items()}
    return {
        "loss": loss,
        "temperature": temperature,
        "bias": bias,
        "losses": rounded(losses),
        "gradients": gradients,
        "after": after,
    }


def schedule(rate, warmup, steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    adjust = cosine_lr(optimizer, rate, warmup, steps)
    return {"rate": rate, "warmup": warmup, "steps": steps, "rates": rounded([adjust(step) for step in range(steps)])}


golden = {
    "rows": ROWS,
    "dimension": DIMENSION,
    "cases": [case("infonce", 0.07, 0), case("sigmoid", 0.1, -10), case("sigmoid", 0.07, -1.5), case("infonce", 0.02, 0)],
    "schedules": [schedule(5e-4, 4, 15), schedule(1.0, 0, 6)],
}
path = Path(__file__).parents[1] / "testing/fixtures/objectives.json"
path.write_text(json.dumps(golden) + "\n")
