"""The weighted mean of checkpoints that were trained on from one (Wortsman et al. 2022, arXiv:2203.05482).

    python mix.py --checkpoints A.safetensors B.safetensors --shares 0.7 0.3 --out C.safetensors
"""
import argparse

from safetensors.torch import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoints", nargs="+", required=True)
    parser.add_argument("--shares", nargs="+", type=float, required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    assert len(args.checkpoints) == len(args.shares) and abs(sum(args.shares) - 1) < 1e-9
    parts = [load_file(path) for path in args.checkpoints]
    mean = {name: sum(share * part[name].float() for share, part in zip(args.shares, parts)).half()
            for name in parts[0]}
    save_file(mean, args.out)


if __name__ == "__main__":
    main()
