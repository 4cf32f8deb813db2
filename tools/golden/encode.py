"""Golden values of whole model folders, from a picture's file and plain texts: encode.json.

    pip install torch==2.13.0 transformers==5.24.0 tokenizers==0.23.3 numpy==2.4.6 pillow==13.0.0
    python encode.py OUT.json

Tiny CLIP and SigLIP models with weights made from their names; the picture goes through the family's own image processor
(its Pillow version), the texts through the tokenizer, as `get_image_features` and `get_text_features` want them.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.modules["torchvision"] = None  # the processors' Pillow versions, whatever is installed

import torch
import transformers
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, PreTrainedTokenizerFast, SiglipConfig
from transformers import SiglipImageProcessorPil, SiglipModel

from named_values import fill_by_name, picture, rounded
from tiny_tokenizers import clip_bpe, unigram

TEXTS = ["The image shows a three.", "a small right pleural effusion, no pneumothorax", "two brown dogs"]
WIDTH, HEIGHT = 50, 37


def sizes(config, **more):
    return dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, **config, **more)


def clip():
    tokenizer = clip_bpe()
    end = tokenizer.token_to_id("<|endoftext|>")
    text = sizes({}, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=20, eos_token_id=end, pad_token_id=end)
    vision = sizes({}, image_size=32, patch_size=8)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=12, attn_implementation="eager")
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return CLIPModel(config), tokenizer, processor, {"pad_token": "<|endoftext|>"}, 20


def siglip():
    tokenizer = unigram()
    text = sizes({}, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=16, projection_size=16)
    vision = sizes({}, image_size=32, patch_size=8)
    config = SiglipConfig(text_config=text, vision_config=vision, attn_implementation="eager")
    processor = SiglipImageProcessorPil(size={"height": 32, "width": 32})
    return SiglipModel(config), tokenizer, processor, {"pad_token": "</s>"}, 16


def pooled(output):
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def case(kind, model, tokenizer, processor, special, longest):
    salt = f"encode:{kind}"
    model = model.eval()
    shapes = fill_by_name(salt, model)
    tokenizer.no_truncation()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    with tempfile.TemporaryDirectory() as name:
        for part in (model, processor, fast):
            part.save_pretrained(name)
        files = {path.name: json.loads(path.read_text()) for path in Path(name).glob("*.json")}
    padding = "max_length" if kind == "siglip" else True
    tokens = fast(TEXTS, padding=padding, max_length=longest, truncation=True, return_tensors="pt")
    mask = {} if kind == "siglip" else {"attention_mask": tokens["attention_mask"]}
    with torch.no_grad():
        pixels = processor(picture(f"{salt}:picture", WIDTH, HEIGHT), return_tensors="pt")["pixel_values"]
        image = pooled(model.get_image_features(pixel_values=pixels))
        texts = pooled(model.get_text_features(input_ids=tokens["input_ids"], **mask))
    return {
        "kind": kind,
        "salt": salt,
        "files": files,
        "shapes": shapes,
        "picture": {"name": f"{salt}:picture", "width": WIDTH, "height": HEIGHT},
        "texts": TEXTS,
        "image": rounded(image[0].numpy()),
        "text_features": [rounded(row) for row in texts.numpy()],
    }


torch.set_num_threads(1)
cases = [case("clip", *clip()), case("siglip", *siglip())]
versions = {module.__name__: module.__version__ for module in (torch, transformers)}
Path(sys.argv[1]).write_text(json.dumps({"versions": versions, "cases": cases}, ensure_ascii=False, separators=(",", ":")))
