"""Golden values of the text towers that transformers and sentence-transformers have: text_towers.json.

    pip install torch==2.13.0 transformers==5.24.0 sentence-transformers==6.2.0 tokenizers==0.23.3 numpy==2.4.6
    python text_towers.py OUT.json [--seed 0] [--width 24] [--layers 2]

Tiny models whose weights are made from their names, so that the file holds outputs alone: tokens, text features, and
loss, gradients and weights of a short training.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel, PreTrainedTokenizerFast, SiglipConfig, SiglipModel

from named_values import fill_by_name, summary, train, values
from tiny_tokenizers import TEXTS, clip_bpe, gemma_bpe, unigram, word_piece


def encode(tokenizer, text, longest):
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    return tokenizer.encode(text).ids


def case(kind, salt, files, tokenizer, shapes, longest, features, parameters, dimension, **more):
    """`features(ids, mask)` gives text features; ids are filled up to the longest text, or to `more["fill"]`'s length."""
    tokens = [encode(tokenizer, text, longest) for text in TEXTS]
    fill = more.get("fill")
    length = longest if fill is not None else max(len(ids) for ids in tokens)
    ids = torch.full((len(tokens), length), fill or 0)
    mask = torch.zeros((len(tokens), length), dtype=torch.long)
    for row, own in enumerate(tokens):
        ids[row, : len(own)] = torch.tensor(own)
        mask[row, : len(own)] = 1
    with torch.no_grad():
        rows = features(ids, mask).numpy()
    count = 6
    targets = values(f"{salt}:targets", (count, dimension))
    result = {
        "kind": kind,
        "salt": salt,
        "files": files,
        "shapes": shapes,
        "texts": TEXTS,
        "tokens": tokens,
        "features": [summary(row) for row in rows],
        "training": {"texts": count, **train(parameters, lambda: features(ids[:count], mask[:count]), targets)},
    }
    print(kind, rows.shape, result["training"]["losses"])
    return result


def json_files(folder):
    """The JSON files of a folder but tokenizer.json's indentation."""
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))}


def bert_case(salt, width, layers, pooling):
    tokenizer = word_piece()
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size() + 3,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=3,
        intermediate_size=2 * width + 4,
        max_position_embeddings=32,
        attn_implementation="eager",
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    shapes = fill_by_name(salt, model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder)
        tokenizer.no_truncation()
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]")
        fast.save_pretrained(folder)
        kinds = ["Transformer", "Pooling"] + (["Normalize"] if pooling == "mean" else [])
        modules = [
            {"idx": i, "name": str(i), "path": "" if i == 0 else f"{i}_{kind}", "type": f"sentence_transformers.models.{kind}"}
            for i, kind in enumerate(kinds)
        ]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24, "do_lower_case": False}))
        for kind in kinds[1:]:
            (folder / f"{modules[kinds.index(kind)]['path']}").mkdir()
        flags = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens"}
        settings = {"word_embedding_dimension": width, **{flag: mode == pooling for mode, flag in flags.items()}}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
        sentence = SentenceTransformer(str(folder), device="cpu").eval()
        files = json_files(folder)

        def features(ids, mask):
            return sentence({"input_ids": ids, "attention_mask": mask})["sentence_embedding"]

        inner = dict(sentence[0].named_parameters())
        prefix = next(n for n in inner if n.endswith("embeddings.word_embeddings.weight"))[: -len("embeddings.word_embeddings.weight")]
        parameters = {n[len(prefix) :]: p for n, p in inner.items() if n.startswith(prefix) and "pooler" not in n}
        direct = sentence.encode(TEXTS)
        result = case(f"bert-{pooling}", salt, files, tokenizer, shapes, 24, features, parameters, width)
        rows = np.array([row["first8"] for row in result["features"]])
        assert np.allclose(direct[:, :8], rows, atol=1e-5), "sentence-transformers' own tokens differ"
        return result


def clip_case(salt, width, layers, eos):
    tokenizer = clip_bpe()
    start, end = (tokenizer.token_to_id(name) for name in ("<|startoftext|>", "<|endoftext|>"))
    text = dict(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=3 * width,
        max_position_embeddings=20,
        hidden_act="quick_gelu" if eos else "gelu",
        bos_token_id=start,
        eos_token_id=end if eos else 2,
        pad_token_id=end,
    )
    vision = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=10, attn_implementation="eager")
    model = CLIPModel(config).eval()
    shapes = fill_by_name(salt, model)
    files = saved(model, tokenizer, pad_token="<|endoftext|>", eos_token="<|endoftext|>", bos_token="<|startoftext|>")

    def features(ids, mask):
        return pooled(model.get_text_features(input_ids=ids, attention_mask=mask))

    parameters = {n: p for n, p in model.named_parameters() if n.startswith("text_")}
    kind = "clip" if eos else "clip-argmax"
    return case(kind, salt, files, tokenizer, shapes, 20, features, parameters, 10)


def siglip_case(salt, width, layers, second):
    tokenizer = gemma_bpe() if second else unigram()
    if second:  # what transformers' Siglip2Tokenizer does in code
        lower = tokenizers.normalizers.Lowercase()
        plain = tokenizer.to_str()
        tokenizer.normalizer = tokenizers.normalizers.Sequence([lower, tokenizer.normalizer])
    fill = tokenizer.token_to_id("<pad>" if second else "</s>")
    text = dict(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=16,
        projection_size=width + 4,
    )
    vision = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8, patch_size=4)
    config = SiglipConfig(text_config=text, vision_config=vision, attn_implementation="eager")
    model = SiglipModel(config).eval()
    shapes = fill_by_name(salt, model)
    pad = "<pad>" if second else "</s>"
    files = saved(model, tokenizer, pad_token=pad)
    if second:
        files["tokenizer.json"] = json.loads(plain)
        files["tokenizer_config.json"]["tokenizer_class"] = "Siglip2Tokenizer"

    def features(ids, mask):
        return pooled(model.get_text_features(input_ids=ids))

    parameters = {n: p for n, p in model.named_parameters() if n.startswith("text_")}
    kind = "siglip2" if second else "siglip"
    return case(kind, salt, files, tokenizer, shapes, 16, features, parameters, width + 4, fill=fill)


def saved(model, tokenizer, **special):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder)
        tokenizer.no_truncation()
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
        return json_files(folder)


def pooled(output):
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = (options.width, options.layers)
    salt = f"text{options.seed}"
    cases = [
        bert_case(f"{salt}:mean", *sizes, "mean"),
        bert_case(f"{salt}:cls", *sizes, "cls"),
        bert_case(f"{salt}:max", *sizes, "max"),
        clip_case(f"{salt}:clip", *sizes, True),
        clip_case(f"{salt}:argmax", *sizes, False),
        siglip_case(f"{salt}:siglip", *sizes, False),
        siglip_case(f"{salt}:siglip2", *sizes, True),
    ]
    versions = {module.__name__: module.__version__ for module in (torch, transformers, sentence_transformers, tokenizers)}
    options.out.write_text(json.dumps({"versions": versions, "cases": cases}, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
