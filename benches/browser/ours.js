// Vitrine's own half: the site's worker, spoken to as the page does, timed from the request to the whole reply.
//
// A forward pass is the question that the page asks, but for the scores of heads, which the peer has none of: every
// block's stream and pattern passes its hook point, patterns are kept, and the candidates at every position come back.
// Arrays that nobody looks at stay in the worker.
import { publish, sample, times } from "./timing.js";

const VERSION = 7;
const MODEL = "bench";

// The worker that the built page names, with at most so many threads, on the CPU or on WebGPU.
async function start({ threads, provider }) {
  const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
  const meta = page.querySelector("meta[name=vitrine-worker]");
  const type = meta.dataset.type === "module" ? "module" : "classic";
  const url = new URL(meta.content, `${location.origin}/`);
  url.searchParams.set("threads", threads);
  const worker = new Worker(url, { type });
  const listeners = new Map();
  let nRuns = 0, onMoved, onEnd;
  const moved = new Promise((resolve, reject) => {
    onMoved = ({ card, failure }) => (failure ? reject(new Error(failure.message)) : resolve(card));
  });
  // A worker that ended answers nothing more: whoever waits for it hears why. The first reason is the one.
  const ended = new Promise((_, reject) => {
    onEnd = (why) => reject(new Error(why));
  });
  ended.catch(() => {});
  const unlessEnded = (reply) => Promise.race([reply, ended]);
  const ready = new Promise((resolve, reject) => {
    worker.onerror = (event) => onEnd(event.message || "the worker did not start");
    worker.onmessageerror = () => onEnd("a message of the worker could not be read");
    worker.onmessage = ({ data }) => {
      const letter = JSON.parse(data.json);
      if (letter.answer) letter.answer = JSON.parse(letter.answer);
      if (letter.type === "failed" && letter.run === null) {
        onEnd(letter.failure.message);
      } else if (letter.type === "ready") {
        if (letter.version === VERSION) resolve();
        else reject(new Error(`the worker speaks version ${letter.version}, this page ${VERSION}`));
      } else if (letter.type === "moved") {
        onMoved(letter);
      } else {
        listeners.get(letter.run)?.(letter, data.arrays);
      }
    };
  });
  await unlessEnded(ready);
  // Resolves to the last reply; `onLetter` hears of those before it.
  const request = ({ question, ...message }, last, onLetter = () => {}, arrays = []) => unlessEnded(new Promise((resolve, reject) => {
    const run = (nRuns += 1);
    if (question) message.question = JSON.stringify(question); // A text within the message, as its answer is.
    listeners.set(run, (letter, arrays) => {
      if (letter.type === "failed") reject(new Error(`${letter.failure.message} (${letter.failure.hint})`));
      else if (letter.type === last) resolve({ letter, arrays });
      else onLetter(letter);
    });
    worker.postMessage({ json: JSON.stringify({ run, ...message }), files: [], arrays });
  }));
  const source = { from: "url", base: `${location.origin}/weights/` };
  // Said before anything is loaded: no probe comes between.
  const wish = provider === "webgpu" ? "webgpu" : "cpu";
  worker.postMessage({ json: JSON.stringify({ type: "prefer", wish }), files: [] });
  const { letter } = await request({ type: "load", model: MODEL, source }, "loaded");
  const card = provider === "webgpu" && letter.card.backend !== "webgpu" ? await unlessEnded(moved) : letter.card;
  if (card.backend !== wish) throw new Error(`the model is on the ${card.backend}, not on the ${wish}`);
  return { request, adapter: `${card.backend}: ${card.adapter}` };
}

async function forward(job) {
  const { tokens, n_samples, d_vocab } = job;
  const { request, adapter } = await start(job);
  const ask = (heads) => {
    const question = { kind: "attention", prompt: { tokens }, top_k: 5, heads, patterns: heads };
    return request({ type: "ask", model: MODEL, question }, "answered");
  };
  const { letter, arrays } = await ask("all");
  const { positions, heads } = letter.answer;
  const logprobs = { name: "logprobs", at: [], values: [] };
  positions.forEach(({ top }, pos) => top.forEach(({ token, logprob }) => {
    logprobs.at.push(pos * d_vocab + token.id);
    logprobs.values.push(logprob);
  }));
  const n = tokens.length;
  const patterns = heads.map(({ layer, head }, i) =>
    sample(`blocks.${layer}.attn.hook_pattern`, new Float32Array(arrays[i]), 16, head * n * n));
  return { adapter, checks: [logprobs, ...patterns], measure: () => times(n_samples, () => ask("none")) };
}

// The time between one token's arrival and the next. The first comes after the whole prompt and is not counted.
async function decode(job) {
  const { tokens, n_context, n_samples, d_vocab } = job;
  const { request, adapter } = await start(job);
  const generate = async (max_new_tokens) => {
    const letters = [], arrivals = [];
    const spec = { prompt: { tokens: tokens.slice(0, n_context) }, max_new_tokens, temperature: 0 };
    await request({ type: "generate", model: MODEL, spec }, "finished", (letter) => {
      arrivals.push(performance.now());
      letters.push(letter);
    });
    return { letters, samples: arrivals.slice(1).map((at, i) => at - arrivals[i]) };
  };
  // The first round is verified and timed in one go, since a long prompt takes its time.
  let { letters, samples } = await generate(n_samples + 1);
  const ids = letters.map(({ token }) => token.id);
  const logprobs = {
    name: "logprobs",
    at: ids.map((id, i) => (n_context - 1 + i) * d_vocab + id),
    values: letters.map(({ logprob }) => logprob),
  };
  if (ids.some((id) => !(id < d_vocab))) throw new Error("a token outside the vocabulary");
  const measure = async () => {
    const taken = samples ?? (await generate(n_samples + 1)).samples;
    samples = null;
    return taken;
  };
  const read = [...tokens.slice(0, n_context), ...ids];
  return { adapter, checks: [logprobs], tokens: read, measure };
}

// The stream before each block at each position, patched from the clean run: the logit difference of two columns.
async function patching({ request }, { clean, corrupted, columns: [correct, wrong] }, method) {
  const question = {
    kind: "patching", clean: { tokens: clean }, corrupted: { tokens: corrupted }, at: "resid_pre", method,
    metric: { kind: "logit_diff", pos: -1, correct, wrong },
  };
  const { letter, arrays } = await request({ type: "ask", model: MODEL, question }, "answered");
  return { base: letter.answer.corrupted_metric, changes: new Float32Array(arrays[0]) };
}

async function sweep(job) {
  const engine = await start(job);
  const run = () => patching(engine, job, "exact");
  const { base, changes } = await run();
  const checks = [sample("sweep.diff", changes.map((change) => change + base), Infinity)];
  return { adapter: engine.adapter, checks, measure: () => times(job.n_samples, run) };
}

async function attribution(job) {
  const engine = await start(job);
  const run = () => patching(engine, job, "attribution");
  const { changes } = await run();
  const question = { kind: "attention", prompt: { tokens: job.corrupted }, top_k: 5, patterns: "none" };
  const forward = () => engine.request({ type: "ask", model: MODEL, question }, "answered");
  await forward();
  const measure = async () => ({
    samples: await times(job.n_samples, run),
    own_forward: await times(job.n_samples, forward),
  });
  return { adapter: engine.adapter, checks: [sample("attribution", changes, Infinity)], measure };
}

// From rows of a stream to the values and indices of their largest features.
async function sae(job) {
  const engine = await start(job);
  const source = { from: "url", base: `${location.origin}/weights/sae/` };
  const { letter } = await engine.request({ type: "load_sae", model: MODEL, sae: "bench", source }, "sae_loaded");
  const x = new Float32Array(await (await fetch("/weights/sae.x.f32")).arrayBuffer());
  const shape = [x.length / letter.card.config.d_in, letter.card.config.d_in];
  const spec = { sae: "bench", of: { rows: { shape, data: [] } }, top_k: 32 };
  const run = () => engine.request({ type: "encode", model: MODEL, spec }, "encoded", undefined, [x]);
  const { arrays } = await run();
  const values = arrays[0].filter((_, i) => i % 2 === 0);
  return { adapter: engine.adapter, checks: [sample("sae.top", values, 2048)], measure: () => times(job.n_samples, run) };
}

publish({ forward, decode, sae, sweep, attribution });
