"""manifest.json: what was made, by which scripts and versions, and the SHA-256 of every file."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import families
import models
from files import sha256, write_json

HERE = Path(__file__).parent
PACKAGES = ("numpy", "sae-lens", "safetensors", "tokenizers", "torch", "transformer-lens", "transformers")
# Made by hand, beside the scripts; the scripts have their own list.
NOT_GOLDEN = (".gitattributes", "README.md", "manifest.json", "requirements.txt")


def write(out: Path) -> None:
    content = {
        "made_by": "tests/golden/make.py",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "scripts": {path.name: sha256(path) for path in sorted([*HERE.glob("*.py"), HERE / "requirements.txt"])},
        "models": {
            spec.name: {
                "seed": spec.seed,
                "dtype": str(spec.dtype).removeprefix("torch."),
                "computed_in": "float32",
                "tokens": {"odd": list(spec.prompt), "one": list(spec.one_token)},
            }
            for spec in models.SPECS
        }
        | {
            family.name: {
                "seed": family.seed,
                "dtype": str(family.dtype).removeprefix("torch."),
                "computed_in": "float32",
                "tokens": {"odd": list(family.prompt)},
            }
            for family in families.FAMILIES
        },
        "files": {
            str(path.relative_to(out)): {"sha256": sha256(path), "size_bytes": path.stat().st_size}
            for path in golden_files(out)
        },
    }
    write_json(content, out / "manifest.json")


def verify(out: Path) -> None:
    """Every golden file is listed with its hash, and nothing else is."""
    listed = json.loads((out / "manifest.json").read_text())["files"]
    there = {str(path.relative_to(out)): sha256(path) for path in golden_files(out)}
    assert there == {name: entry["sha256"] for name, entry in listed.items()}


def golden_files(out: Path) -> list[Path]:
    return sorted(
        path
        for path in out.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name not in NOT_GOLDEN
    )
