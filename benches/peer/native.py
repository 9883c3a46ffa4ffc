"""PyTorch's half of `cargo xtask bench`: eager, f32, TF32 off.

`native.py WEIGHTS cpu|gpu` reads a request a line and replies a line: `"adapter"`, `{"prepare": job}`, which computes
once and returns values to verify, and `"measure"`, which times what was prepared.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from gpt2 import Gpt2, read
from sweep import ARRANGEMENTS, Sweep

BUDGET_SECONDS = 20
"""After so long no further sample is taken."""


def spread(name, data, n, start=0):
    """Values spread evenly over an array that begins at `start` of the whole of that name."""
    data = data.reshape(-1)
    step = max(1, data.numel() // n) | 1  # Odd, so that it goes through all columns of an even row.
    at = torch.arange(step // 2, data.numel(), step)
    values = data[at.to(data.device)].tolist()
    return {"name": name, "at": (at + start).tolist(), "values": values}


class Bench:
    """The model on a device, and how to do each kind of work."""

    def __init__(self, weights: Path, device):
        self.weights, self.device = weights, device
        self.model = Gpt2(weights, device)

    def ids(self, tokens):
        return torch.tensor(tokens, device=self.device)

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def times(self, n, work):
        """Milliseconds of `n` runs, or of as many as take a while."""
        begin, samples = time.perf_counter(), []
        while len(samples) < n and (not samples or time.perf_counter() - begin < BUDGET_SECONDS):
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            samples.append((time.perf_counter() - start) * 1e3)
        return samples

    def forward(self, job):
        """All logits; the stream after each block and all patterns stay where the next question can read them."""
        ids = self.ids(job["tokens"])
        logits, streams, patterns = self.model.observed(ids)
        checks = [spread("logits", logits, 2048)]
        for layer, (stream, pattern) in enumerate(zip(streams, patterns)):
            checks.append(spread(f"blocks.{layer}.hook_resid_post", stream, 128))
            checks.append(spread(f"blocks.{layer}.attn.hook_pattern", pattern, 128))
        del logits, streams, patterns
        return checks, lambda: self.times(job["n_samples"], lambda: self.model.observed(ids))

    def prefill(self, job):
        """From a prompt to the token after it: only the last position's logits, attention fused."""
        ids = self.ids(job["tokens"])
        n = len(ids)

        def run():
            logits = self.model.step(ids, self.model.cache(n), 0)
            return logits, int(logits.argmax())

        checks = [spread("logits", run()[0], 4096, (n - 1) * job["d_vocab"])]
        return checks, lambda: self.times(job["n_samples"], run)

    def decode(self, job):
        """One more token and the choice of the next; keys and values lie in arrays that are long enough."""
        tokens, n = self.ids(job["tokens"]), job["n_context"]
        cache = self.model.cache(len(tokens))
        self.model.step(tokens[:n], cache, 0)

        def step(pos):
            logits = self.model.step(tokens[pos : pos + 1], cache, pos)
            return logits, int(logits.argmax())

        # Every step overwrites its own position, so that the timed ones come to the same.
        checks = [spread("logits", step(pos)[0], 64, pos * job["d_vocab"]) for pos in range(n, len(tokens))]
        positions = iter(range(n, len(tokens)))
        n_samples = min(job["n_samples"], len(tokens) - n)
        return checks, lambda: self.times(n_samples, lambda: step(next(positions)))

    def sae(self, job):
        """Sparse features of a stream: ReLU, then the 32 largest."""
        sae = read(self.weights / "sae/sae_weights.safetensors", self.device)
        x = torch.from_numpy(np.fromfile(self.weights / "sae.x.f32", "<f4").reshape(-1, 768)).to(self.device)

        def run():
            features = torch.relu(torch.addmm(sae["b_enc"], x - sae["b_dec"], sae["W_enc"]))
            return features.topk(32).values.cpu()

        return [spread("sae.top", run(), 2048)], lambda: self.times(job["n_samples"], run)

    def sweep(self, job):
        """Every block and position of a clean run into a corrupted one, in three arrangements."""
        sweep = Sweep(self.model, self.ids(job["corrupted"]), self.ids(job["clean"]), self.ids(job["columns"]))
        runs = {name: (lambda of=of: sweep.run(of).cpu()) for name, of in ARRANGEMENTS.items()}
        checks = [spread(f"sweep.{name}", run(), sys.maxsize) for name, run in runs.items()]
        return checks, lambda: {
            "arrangements": {name: self.times(job["n_samples"], run) for name, run in runs.items()}
        }

    def attribution(self, job):
        """The clean streams' way to the corrupted ones times the slope there, by autograd."""
        corrupted, clean, columns = (self.ids(job[name]) for name in ("corrupted", "clean", "columns"))

        def run():
            with torch.no_grad():
                to, _ = self.model.streams(clean)
            with torch.enable_grad():
                streams, logits = self.model.streams(corrupted, grad=True)
                difference = logits[-1, columns[0]] - logits[-1, columns[1]]
                slopes = torch.autograd.grad(difference, streams)
            rows = [((a - b) * slope).sum(-1) for a, b, slope in zip(to, streams, slopes)]
            return torch.stack(rows).detach().cpu()

        checks = [spread("attribution", run(), sys.maxsize)]

        def measure():
            samples = self.times(job["n_samples"], run)
            own_forward = self.times(job["n_samples"], lambda: self.model.streams(corrupted))
            return {"samples": samples, "own_forward": own_forward}

        return checks, measure


def adapter(device):
    """What computes, in words."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name()
    else:
        name = f"{torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}"
    return f"torch {torch.__version__}, eager, f32 without TF32, {name}"


def open_device(name):
    """The device, in full f32."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    if name == "gpu":
        if not torch.cuda.is_available():
            raise RuntimeError("this PyTorch finds no CUDA device")
        return torch.device("cuda")
    torch.set_num_threads(1)
    return torch.device("cpu")


class Server:
    """Answers one request after the other; the model is read when it is first needed."""

    def __init__(self, weights, device_name):
        self.weights, self.device_name = weights, device_name
        self.device = self.bench = self.measure = None

    def answer(self, request):
        self.device = self.device or open_device(self.device_name)
        if request == "adapter":
            return adapter(self.device)
        if request == "measure":
            return self.measure()
        job, start = request["prepare"], time.perf_counter()
        self.measure = None
        if self.device_name == "cpu":
            torch.set_num_threads(job["threads"])
        self.bench = self.bench or Bench(self.weights, self.device)
        checks, self.measure = getattr(self.bench, job["work"])(job)
        millis = (time.perf_counter() - start) * 1e3
        return {"checks": checks, "adapter": adapter(self.device), "prepare_millis": millis}


@torch.no_grad()
def main():
    # What a library prints must not stand among the replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server(Path(sys.argv[1]), sys.argv[2])
    for line in sys.stdin:
        try:
            reply = {"value": server.answer(json.loads(line))}
        except Exception as error:  # The one who asked reports it and goes on.
            reply = {"failure": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
