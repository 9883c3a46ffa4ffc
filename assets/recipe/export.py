"""Writes a run as a Hugging Face folder: config.json and model.safetensors in F16 (tokenizer.json is there).

    python export.py --model tales-4l --checkpoint RUNDIR/checkpoints/step-NNNNNN.safetensors --out DIR

For the GPT-2 architecture it then checks that transformers reads the same logits from the folder.
"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from evaluate import load
from model import CONFIGS, Config

LOGIT_TOLERANCE = 1e-4  # both sides compute in f32 from the same F16 file


def config_json(cfg: Config) -> dict:
    is_gpt2 = cfg.d_mlp > 0
    config = {
        # A type of its own, so that no library loads it as GPT-2 and invents the missing MLPs.
        "model_type": "gpt2" if is_gpt2 else "vitrine_attn_only",
        "architectures": ["GPT2LMHeadModel" if is_gpt2 else "VitrineAttnOnlyLMHeadModel"],
        "vocab_size": cfg.n_vocab, "n_positions": cfg.n_ctx, "n_ctx": cfg.n_ctx,
        "n_embd": cfg.d_model, "n_layer": cfg.n_layers, "n_head": cfg.n_heads,
        "layer_norm_epsilon": 1e-5, "bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": True,
        "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False,
        "reorder_and_upcast_attn": False, "torch_dtype": "float16",
    }
    if is_gpt2:
        config.update(n_inner=cfg.d_mlp, activation_function="gelu_new",
                      attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    return config


def check_transformers(folder: Path) -> float:
    """The largest difference of a logit between transformers and model.py, on random tokens."""
    from transformers import GPT2LMHeadModel

    model = load(folder)
    reference = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, model.cfg.n_vocab, (2, model.cfg.n_ctx), generator=generator)
    with torch.no_grad():
        return (model(tokens) - reference(tokens).logits).abs().max().item()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=CONFIGS, required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--out", required=True, help="folder, named as the model")
    args = parser.parse_args()
    folder = Path(args.out)
    (folder / "config.json").write_text(json.dumps(config_json(CONFIGS[args.model]), indent=2) + "\n")
    save_file(load_file(args.checkpoint), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    if CONFIGS[args.model].d_mlp:
        difference = check_transformers(folder)
        assert difference <= LOGIT_TOLERANCE, f"transformers differs by {difference}"
        print(f"largest difference from transformers: {difference:.2e}")


if __name__ == "__main__":
    main()
