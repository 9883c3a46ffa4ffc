"""Makes the weights and the graphs of the browser bench: `python make.py FOLDER`."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx

import graphs
import weights

SEED = 20_240_229
TOP_K = 32


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    shape = weights.Shape()
    places = weights.write(out / "model.safetensors", shape.tensors(), SEED)
    (out / "config.json").write_text(json.dumps(shape.config(), indent=1))
    (out / "sae").mkdir(exist_ok=True)
    (out / "sae/cfg.json").write_text(json.dumps(weights.sae_config(), indent=1))
    sae_places = weights.write(out / graphs.SAE_FILE, weights.SAE, SEED + 1)
    made = {
        "forward": graphs.forward(shape, places, observed=False),
        "observed": graphs.forward(shape, places, observed=True),
        "decode": graphs.decode(shape, places),
        "sae": graphs.sae(sae_places, TOP_K),
    }
    for layer in range(shape.n_layers):
        made[f"sweep.{layer}"] = graphs.sweep(shape, places, layer)
    for name, model in made.items():
        onnx.save(model, out / f"{name}.onnx")
    features(out)


def features(out: Path):
    """What the encoder gives, in double precision: sae.x.f32 is read, sae.top.f32 is expected, largest first."""
    w_enc, b_enc, b_dec, _, x = (
        weights.values(SEED + 1, i, *of[1:]) for i, of in enumerate((*weights.SAE, weights.SAE_INPUT))
    )
    (out / "sae.x.f32").write_bytes(x.tobytes())
    acts = np.maximum((x.astype(np.float64) - b_dec) @ w_enc.astype(np.float64) + b_enc, 0)
    top = -np.sort(-acts, axis=1)[:, :TOP_K]
    (out / "sae.top.f32").write_bytes(top.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
