"""Writing files so that the same content gives the same bytes."""

import hashlib
import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_json(value, path: Path) -> None:
    """Indented, with each list of numbers on one line."""
    text = json.dumps(value, indent=1)
    text = re.sub(r"\[\n[^\[\]{}\"]*\n *\]", lambda found: re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]"), text)
    path.write_text(text + "\n")


def write_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """As f32, whatever they were computed in."""
    save_file({name: value.float().contiguous() for name, value in tensors.items()}, path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
