"""Writes the golden files that the Rust engine is held against. See README.md.

    python tests/golden/make.py
"""

import argparse
import logging
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

import bpe
import compare
import edits
import families
import heads
import lens
import manifest
import models
import patches
import readings
import reference
import saes
import vocabularies
from files import write_json, write_tensors

# transformers and TransformerLens are two independent forward passes in f32.
LOGITS_TOL = 1e-5
# f32 against f64 of the same code: how far rounding alone can move a golden value.
ROUNDING_TOL = 1e-5
# An edit that moves no logit further than this would not notice being ignored.
LEAST_EFFECT = 1e-2
# Greedy text is only golden where the best token wins clearly.
LEAST_MARGIN = 2e-3
N_NEW_TOKENS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into; this one by default")
    out = parser.parse_args().out

    logging.disable(logging.WARNING)
    disable_progress_bar()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    compare.self_test()

    for spec in models.SPECS:
        make_model(spec, out / spec.name)
    for family in families.FAMILIES:
        make_family(family, out / family.name)
    saes.make(out)
    bpe.save(out)
    vocabularies.save(out)
    reference.make(out)
    manifest.write(out)
    manifest.verify(out)


def make_model(spec: models.Spec, folder: Path) -> None:
    """One folder: the model, every hook point for each prompt and kind of weights, greedy text, interventions."""
    models.save(spec, folder)
    hf = models.load(spec, folder)
    prompts = {"odd": list(spec.prompt), "one": list(spec.one_token)}
    cases, built = [], {}
    for weights in ("raw", "processed"):
        model = lens.build(spec, hf, weights)
        exact = lens.build(spec, hf, weights, torch.float64)
        built[weights] = model, exact
        for prompt, tokens in prompts.items():
            got = lens.everything(model, tokens)
            check_rounding(spec, got, lens.everything(exact, tokens))
            check_against_transformers(spec, hf, weights, tokens, got["logits"])
            file = f"{prompt}-{weights}.safetensors"
            write_tensors(got, folder / file)
            loss_nats = lens.loss(model, tokens)
            cases.append(dict(file=file, weights=weights, tokens=tokens, loss_nats=loss_nats, greedy=greedy(hf, tokens)))
        if weights == "raw" or spec.name == "gpt2-tiny":
            make_gradients(model, exact, weights, spec, folder)
        if spec.name == "gpt2-tiny":
            make_interventions(model, weights, spec, folder)
        if weights == "raw" and spec.name == "gpt2-tiny":
            make_patching(model, exact, spec, folder)
        if spec.name == "gpt2-tiny" or (spec.name in readings.MODELS and weights == "raw"):
            make_readings(lambda *how: lens.build(spec, hf, *how), weights, spec, folder)
    make_heads(built, spec, folder)
    write_json(dict(cases=cases), folder / "expected.json")


def make_family(family: families.Family, folder: Path) -> None:
    """One folder of another family: the model, every hook point for each kind of weights, gradients, greedy text."""
    families.save(family, folder)
    hf = families.load(family, folder)
    tokens = list(family.prompt)
    cases, built = [], {}
    for weights in ("raw", "processed"):
        model = families.build(family, hf, weights)
        exact = families.build(family, hf, weights, torch.float64)
        built[weights] = model, exact
        got = lens.everything(model, tokens)
        check_rounding(family, got, lens.everything(exact, tokens))
        check_against_transformers(family, hf, weights, tokens, got["logits"])
        file = f"odd-{weights}.safetensors"
        write_tensors(got, folder / file)
        cases.append(dict(file=file, weights=weights, tokens=tokens, loss_nats=lens.loss(model, tokens), greedy=greedy(hf, tokens, 9)))
        if weights == "raw":
            make_gradients(model, exact, weights, family, folder)
            if family.name in readings.MODELS:
                make_readings(lambda *how: families.build(family, hf, *how), weights, family, folder)
    make_heads(built, family, folder)
    write_json(dict(cases=cases), folder / "expected.json")


def make_interventions(model, weights: str, spec: models.Spec, folder: Path) -> None:
    """interventions-{weights}.json says what was done, the .safetensors beside it what came of it, as `case/hook`."""
    tokens = list(spec.prompt)
    cases = [case for case in edits.golden_cases(spec.config["n_embd"], tokens) if case["weights"] == weights]
    untouched = lens.run(model, tokens, [], lambda name: False)["logits"]
    results = {}
    for case in cases:
        got = lens.run(model, tokens, case["interventions"], lambda name: name in case["capture"])
        assert set(got) == {*case["capture"], "logits"}, case["name"]
        effect = float((got["logits"] - untouched).abs().max())
        assert effect >= LEAST_EFFECT, f"{case['name']} moves the logits by {effect:.2g} only"
        results.update({f"{case['name']}/{name}": value for name, value in got.items()})
    write_json(dict(cases=cases), folder / f"interventions-{weights}.json")
    write_tensors(results, folder / f"interventions-{weights}.safetensors")


def make_gradients(model, exact, weights: str, spec: models.Spec | families.Family, folder: Path) -> None:
    """gradients-{weights}.json names the metric, the .safetensors beside it has its gradients by autograd."""
    tokens = list(spec.prompt)
    if weights == "raw":
        described = dict(kind="logit_diff", pos=-1, correct=5, wrong=9)
        metric = lambda logits: logits[-1, 5] - logits[-1, 9]
    else:
        described = dict(kind="loss")
        metric = lambda logits: torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(tokens[1:]))
    got = lens.gradients(model, tokens, metric)
    check_rounding(spec, got, lens.gradients(exact, tokens, metric))
    write_json(dict(weights=weights, tokens=tokens, metric=described), folder / f"gradients-{weights}.json")
    write_tensors(got, folder / f"gradients-{weights}.safetensors")


def make_patching(model, exact, spec: models.Spec, folder: Path) -> None:
    """patching.json names the prompts, the .safetensors beside it has the change of the metric by place."""
    clean = list(spec.prompt)
    corrupted = [clean[0], *(3 * token % 89 + 1 for token in clean[1:])]
    got = patches.changes(model, clean, corrupted)
    check_rounding(spec, got, patches.changes(exact, clean, corrupted))
    metric = dict(kind="logit_diff", pos=-1, correct=patches.CORRECT, wrong=patches.WRONG)
    write_json(dict(clean=clean, corrupted=corrupted, metric=metric), folder / "patching.json")
    write_tensors(got, folder / "patching.safetensors")


def make_readings(build, weights: str, spec: models.Spec | families.Family, folder: Path) -> None:
    """readings-{weights}.json says what was asked, the .safetensors beside it has the answers."""
    tokens = list(spec.prompt)
    folded = "folded" if weights == "raw" else weights
    model = build(weights)
    got = readings.everything(model, build(folded), tokens)
    check_rounding(spec, got, readings.everything(build(weights, torch.float64), build(folded, torch.float64), tokens))
    write_json(dict(weights=weights) | readings.described(model, tokens), folder / f"readings-{weights}.json")
    write_tensors(got, folder / f"readings-{weights}.safetensors")


def make_heads(built: dict, spec: models.Spec | families.Family, folder: Path) -> None:
    """heads.json says what was asked, the .safetensors beside it what TransformerLens answers."""
    if spec.name not in heads.LOOKED_AT:
        return
    both = lambda nth: {weights: twins[nth] for weights, twins in built.items()}
    model, exact = (heads.Model(name=spec.name, tokens=list(spec.prompt), **both(nth)) for nth in (0, 1))
    got = heads.values(model)
    check_rounding(spec, got, heads.values(exact))
    write_json(heads.asked(model), folder / "heads.json")
    write_tensors(got, folder / "heads.safetensors")


def check_rounding(spec: models.Spec | families.Family, got: dict[str, torch.Tensor], exact: dict[str, torch.Tensor]) -> None:
    """The f32 goldens must be true to far less than the tolerance that they are used with."""
    assert list(got) == list(exact)
    for name, value in got.items():
        compare.assert_close(f"{spec.name} f32 beside f64: {name}", value, exact[name], ROUNDING_TOL)


def check_against_transformers(spec: models.Spec | families.Family, hf, weights: str, tokens: list[int], logits: torch.Tensor) -> None:
    """TransformerLens must say what transformers says; processed weights shift logits, not log-probabilities."""
    with torch.no_grad():
        want = hf(torch.tensor([tokens])).logits[0]
    compare.assert_close(f"{spec.name} log-probabilities", logits.log_softmax(-1), want.log_softmax(-1), LOGITS_TOL)
    if weights == "raw":
        compare.assert_close(f"{spec.name} logits", logits, want, LOGITS_TOL)


def greedy(hf, tokens: list[int], most: int = N_NEW_TOKENS) -> list[int]:
    """New tokens by transformers' generate with its KV cache, as many as fit."""
    n_new = min(most, hf.config.max_position_embeddings - len(tokens))
    made = hf.generate(
        torch.tensor([tokens]), attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
        max_new_tokens=n_new, do_sample=False, use_cache=True, pad_token_id=0,
        return_dict_in_generate=True, output_logits=True,
    )
    new = made.sequences[0, len(tokens):].tolist()
    assert len(new) == n_new, f"stopped at EOS after {len(new)} tokens"
    for step, logits in enumerate(made.logits):
        first, second = logits[0].topk(2).values
        assert first - second >= LEAST_MARGIN, f"a near tie at step {step}"
    return new


if __name__ == "__main__":
    main()
