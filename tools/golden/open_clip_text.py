"""Golden values of text towers in OpenCLIP's folders: open_clip_text.json.

    pip install torch==2.14.1 torchvision==0.29.1 open_clip_torch==3.3.0 transformers==5.24.0 tokenizers==0.23.3
    python open_clip_text.py OUT.json [--seed 0] [--width 24] [--layers 2]

The same as text_towers.py for OpenAI's naming with GELU, SigLIP's variant of it, and a Hugging Face BERT with a
projection, as BiomedCLIP has it.
"""

import argparse
import json
import tempfile
from pathlib import Path

import open_clip
import tokenizers
import torch
import transformers
from transformers import BertConfig, PreTrainedTokenizerFast

from named_values import fill_by_name, summary, train, values
from tiny_tokenizers import TEXTS, clip_bpe, unigram, word_piece

VISION = {"image_size": 16, "layers": 1, "width": 16, "head_width": 8, "patch_size": 8}


def case(kind, salt, tokenizer, model_cfg, model, special):
    text_cfg = model_cfg["text_cfg"]
    longest = text_cfg["context_length"]
    shapes = fill_by_name(salt, model)
    model.eval()
    with tempfile.TemporaryDirectory() as name:
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(name)
        files = {path.name: json.loads(path.read_text()) for path in sorted(Path(name).glob("*.json"))}
        clean = text_cfg.get("tokenizer_kwargs", {}).get("clean", "whitespace")
        theirs = open_clip.tokenizer.HFTokenizer(name, context_length=longest, clean=clean)
        ids = theirs(TEXTS)
        cleaned = [theirs.clean_fn(text) for text in TEXTS]
        tokens = theirs.tokenizer(cleaned, max_length=longest, truncation=True).input_ids
    files["open_clip_config.json"] = {"model_cfg": model_cfg, "preprocess_cfg": {}}
    with torch.no_grad():
        features = model.encode_text(ids).numpy()
    count = 6
    targets = values(f"{salt}:targets", (count, features.shape[1]))
    text_names = ("visual.", "logit_")
    parameters = {n: p for n, p in model.named_parameters() if not n.startswith(text_names)}
    prefix = "text.transformer." if "hf_model_name" in text_cfg else "text." if any(n.startswith("text.") for n in parameters) else ""
    training = train(parameters, lambda: model.encode_text(ids[:count]), targets)
    for part in ("gradients", "weights"):
        training[part] = {n.removeprefix(prefix).removeprefix("text."): v for n, v in training[part].items()}
    print(kind, features.shape, training["losses"], [len(row) for row in tokens])
    return {
        "kind": kind,
        "salt": salt,
        "files": files,
        "shapes": shapes,
        "texts": TEXTS,
        "tokens": tokens,
        "features": [summary(row) for row in features],
        "training": {"texts": count, **training},
    }


def clip(salt, width, layers):
    tokenizer = clip_bpe()
    text = {
        "context_length": 20,
        "vocab_size": tokenizer.get_vocab_size(),
        "width": width,
        "heads": 3,
        "layers": layers,
        "hf_tokenizer_name": "tiny",
    }
    model_cfg = {"embed_dim": 12, "vision_cfg": VISION, "text_cfg": text}
    model = open_clip.CLIP(embed_dim=12, vision_cfg=VISION, text_cfg=text)
    special = {"pad_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return case("openclip", salt, tokenizer, model_cfg, model, special)


def siglip(salt, width, layers):
    tokenizer = unigram()
    text = {
        "context_length": 16,
        "vocab_size": tokenizer.get_vocab_size(),
        "hf_tokenizer_name": "tiny",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": width,
        "heads": 4,
        "layers": layers,
        "mlp_ratio": 3.0,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
    }
    model_cfg = {"embed_dim": width, "init_logit_bias": -10, "custom_text": True, "vision_cfg": VISION, "text_cfg": text}
    model = open_clip.CustomTextCLIP(embed_dim=width, vision_cfg=VISION, text_cfg=text, init_logit_bias=-10)
    special = {"pad_token": "</s>", "eos_token": "</s>"}
    return case("openclip-siglip", salt, tokenizer, model_cfg, model, special)


def biomed(salt, width, layers, pooler, proj):
    tokenizer = word_piece()
    width = 64  # OpenCLIP's folders do not say how many heads a Hugging Face model has
    with tempfile.TemporaryDirectory() as name:
        BertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=1,
            intermediate_size=40,
            max_position_embeddings=32,
        ).save_pretrained(name)
        text = {
            "hf_model_name": name,
            "hf_model_pretrained": False,
            "hf_tokenizer_name": "tiny",
            "hf_proj_type": proj,
            "hf_pooler_type": pooler,
            "context_length": 24,
        }
        model = open_clip.CustomTextCLIP(embed_dim=20, vision_cfg=VISION, text_cfg=text)
    text["hf_model_name"] = "tiny/bert"
    model_cfg = {"embed_dim": 20, "vision_cfg": VISION, "text_cfg": text}
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return case(f"openclip-bert-{pooler}", salt, tokenizer, model_cfg, model, special)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = (options.width, options.layers)
    salt = f"openclip{options.seed}"
    cases = [
        clip(f"{salt}:clip", *sizes),
        siglip(f"{salt}:siglip", *sizes),
        biomed(f"{salt}:biomed", *sizes, "cls_last_hidden_state_pooler", "mlp"),
        biomed(f"{salt}:mean", *sizes, "mean_pooler", "linear"),
        biomed(f"{salt}:pooler", *sizes, "cls_pooler", "linear"),
    ]
    versions = {module.__name__: module.__version__ for module in (torch, open_clip, transformers, tokenizers)}
    options.out.write_text(json.dumps({"versions": versions, "cases": cases}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
