"""Writes the model card, README.md, of a folder from its config.json and metrics.json.

    python card.py --model DIR --hardware "2 cores of ..." --minutes 70
"""
import argparse
import json
from pathlib import Path

import scores
from model import CONFIGS

GOALS = {"ioi": "accuracy >= 0.9", "pronoun": "accuracy >= 0.95", "brackets": "accuracy >= 0.95",
         "greater_than": "probability >= 0.9", "key_value": "none set"}
WHAT = {
    "tales-attn-2l": "Two layers of attention and nothing else: the smallest model that grows an induction head. "
                     "Its `model_type` is its own, since GPT-2 code would invent the MLPs that it lacks.",
    "tales-4l": "A small GPT-2 of four layers. Besides tales it was taught repeated spans and five templated "
                "tasks, so that there are circuits to find.",
}
SPANS = ("{} of the long rows repeat one span of 5 to 110 tokens until the row is full; half of the spans are "
         "random tokens (the loss of their first copy has weight 0), half are text.")
ROWS = {
    "tales-attn-2l": "Each step has 24 rows of text and 8 of repeated spans, 128 tokens each; every fourth step has 12 and "
                     "4 of 256 tokens. " + SPANS.format("A quarter"),
    "tales-4l": "Each step has 32 rows of 128 tokens (22 text, 8 repeated spans, 2 of task samples one after another); "
                "every fourth step has 8 rows of 512 (5, 2, 1). Each step also has 64 short rows of one task sample. "
                "A fifth of the text rows have a task sample in their middle. Most words of the samples are any words "
                "of the vocabulary, except the held-out ones. From step 1,000 on, 16 short rows of 4 to 20 words and "
                "the same again; from step 1,500 on 25 rows of text and 5 of spans. From step 4,009 on text repeats "
                "itself once at most, and goes on. In the last 160 steps the model's own greedy loops were made unlikely. The phases "
                "and their reasons are in `batches.py`. "
                + SPANS.format("A quarter, later an eighth,"),
}
TASK_NOTE = (
    "Key-value recall carries over to held-out words, not to held-out templates. In held-out templates the pronoun and "
    "the indirect object win against their rival, but share the probability with other words that may well come there.")
LIMITS = {
    "tales-attn-2l": "It is for looking inside, not for writing: its text is worse than that of an n-gram model. ",
    "tales-4l": "It knows 32 old children's books and some templates; it holds a sentence or two together, no plot. "
                "The tasks hold on sentences like those of the templates, not in general. ",
}
SHARED_LIMITS = ("It knows no facts, and repeats the views and manners of books of the nineteenth and early twentieth century. "
                 "Positions beyond n_positions do not exist.")


def number(x: float) -> str:
    return f"{x:.3f}"


def table(head: list[str], rows: list[list]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def repeated_table(metrics: dict) -> str:
    rows = []
    for r in metrics["repeated_sequences"]:
        induction, previous = scores.best(r["induction"]), scores.best(r["previous_token"])
        rows.append([r["n"], "%.3f (L%dH%d)" % induction, "%.3f (L%dH%d)" % previous,
                     "%.3f (L%dH%d)" % scores.best(r["previous_token"], layers=[0]),
                     number(r["loss_first_copy_nats"]), number(r["loss_second_copy_nats"])])
    return table(["n", "best induction head", "best previous-token head", "the same, layer 0",
                  "loss first copy", "loss second copy"], rows)


def task_table(tasks: dict) -> str:
    return table(["task", "split", "answers", "chance", "accuracy", "top-1", "probability", "goal"], [
        [task, split, r["n_answers"], number(r["chance"]), number(r["accuracy"]), number(r["top1"]),
         number(r["probability"]), GOALS[task] if split == "held_out" else ""]
        for task, splits in tasks.items() for split, r in splits.items()])


def task_curve(curve: list[dict]) -> str:
    entries = curve[:-1][::max(1, len(curve) // 14)] + curve[-1:]
    names = list(entries[0]["tasks"])
    return table(["step", "validation loss", "induction", *names], [
        [e["step"], number(e["validation_loss_nats"]), number(scores.best(e["induction"])[0]),
         *("%.2f / %.2f" % tuple(e["tasks"][name]) for name in names)] for e in entries])


def card(metrics: dict, hardware: str, minutes: str) -> str:
    name, last = metrics["model"], metrics["curve"][-1]
    cfg = CONFIGS[name]
    below = metrics["kneser_ney_5gram_nats"] - metrics["validation_loss_nats"]
    parts = [
        f"---\nlicense: mit or apache-2.0\nlanguage: en\n---\n# {name}\n\n{WHAT[name]}",
        table(["n_layers", "d_model", "n_heads", "d_mlp", "d_vocab", "n_ctx", "parameters", "steps", "tokens"],
              [[cfg.n_layers, cfg.d_model, cfg.n_heads, cfg.d_mlp or "no MLP", cfg.n_vocab, cfg.n_ctx,
                metrics["n_params"], last["step"], last["tokens"]]]),
        "Learned positions, LayerNorm, biases, tied embedding, F16. Id 0 is `<|bos|>`; every row of the training "
        "began with it, so put it before every prompt. Numbers are split into groups of two digits.",
        f"Made by `assets/recipe`, seed 0, in {minutes} minutes on {hardware}. "
        "Every number below but the curve was measured on `model.safetensors` as it lies here.",
        f"## Losses\n\nNats a token on the validation books (whole books, never trained on, "
        f"{metrics['n_validation_tokens']} tokens in windows of {cfg.n_ctx - 1} after BOS):\n\n"
        + table(["model", "modified Kneser-Ney 5-gram, same tokens and split", "model is lower by"],
                [[number(metrics["validation_loss_nats"]), number(metrics["kneser_ney_5gram_nats"]), number(below)]])
        + f"\n\nThe last running mean of the training loss (of the weighted mix) is "
        f"{number(last['train_loss_nats'])}; it compares with no other number here.",
        "## Heads\n\n32 random repeated sequences (BOS, n random tokens, the same again). Induction: mean of "
        "pattern[q, q - (n - 1)] over q in the second copy. Previous-token: mean of pattern[q, q - 1]. "
        "The loss of the first copy is far above that of a uniform guess, since the training never counted it. "
        "All heads are in metrics.json.\n\n" + repeated_table(metrics),
    ]
    if "tasks" in metrics:
        parts += [
            "## Tasks\n\naccuracy: the best candidate is right (the two names; he, she; four closing brackets; hundred "
            "numbers; the values in the prompt); chance is that of a random candidate. top-1: the best of the whole "
            "vocabulary is right. probability: on right candidates. `held_words`: names, words and years never seen "
            "in this task; `held_out`: in templates never seen either. Held-out names of one task occur in the books and "
            "in the other tasks; those of `pronoun` occur in rows of `ioi` with his or her (`and took his ring`).\n\n" + task_table(metrics["tasks"]),
            TASK_NOTE,
            "Over the training (held out, 100 samples, accuracy / probability; all steps in metrics.json; the last line is "
            "of one of the two runs whose mean the model is):\n\n"
            + task_curve(metrics["curve"]),
        ]
    parts += [
        "## Greedy text\n\n" + "\n\n".join(f"> {text.strip()}".replace("\n", "\n> ") for text in metrics["greedy"].values()),
        f"## Data\n\n{metrics['n_train_tokens']} training tokens of public-domain books. {ROWS[name]}\n\n"
        + table(["book", "split", "SHA-256 of the text"],
                [[b["title"], b["split"], f"`{b['sha256']}`"] for b in metrics["books"]]),
        f"## Limits\n\n{LIMITS[name]}{SHARED_LIMITS}",
        "## Licence\n\nMIT OR Apache-2.0. The books are in the public domain.",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--hardware", required=True)
    parser.add_argument("--minutes", required=True)
    args = parser.parse_args()
    folder = Path(args.model)
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "README.md").write_text(card(metrics, args.hardware, args.minutes))


if __name__ == "__main__":
    main()
