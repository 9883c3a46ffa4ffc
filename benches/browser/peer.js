// The peer's half: onnxruntime-web on the same weights, with its best settings.
//
// Timed is `session.run`, which copies inputs into the runtime's memory and outputs out of it: no way around it is
// offered for WebAssembly. Nothing else is charged but what a decode step must do to keep its cache.
import { publish, sample, times } from "./timing.js";
import { sweep } from "./peer_sweep.js";

const bytes = async (name) => new Uint8Array(await (await fetch(`/weights/${name}`)).arrayBuffer());

async function runtime({ provider, threads }) {
  const ort = await import(provider === "webgpu" ? "/peer/ort.webgpu.min.mjs" : "/peer/ort.wasm.min.mjs");
  ort.env.wasm.wasmPaths = "/peer/";
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  let adapter = `onnxruntime-web ${ort.env.versions.web}, wasm SIMD, ${threads} thread(s)`;
  if (provider === "webgpu") {
    const info = (await navigator.gpu?.requestAdapter())?.info;
    if (!info) throw new Error("no WebGPU adapter");
    adapter = `onnxruntime-web ${ort.env.versions.web}, webgpu on ${info.vendor} ${info.architecture}`;
  }
  const files = {};
  const open = async (graph, weights = "model.safetensors") => {
    files[weights] ??= await bytes(weights);
    return ort.InferenceSession.create(`/weights/${graph}.onnx`, {
      executionProviders: [provider],
      graphOptimizationLevel: "all",
      externalData: [{ path: weights, data: files[weights] }],
    });
  };
  const ints = (values, dims = [values.length]) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), dims);
  const floats = (values, dims) => new ort.Tensor("float32", values, dims);
  return { ort, adapter, open, ints, floats, weights: () => files["model.safetensors"] };
}

// The names under which the native engine keeps the same values.
const HOOKS = { resid_post: "hook_resid_post", pattern: "attn.hook_pattern" };
const hookOf = (name) => {
  const [kind, layer] = name.split(".");
  return HOOKS[kind] ? `blocks.${layer}.${HOOKS[kind]}` : name;
};

async function forward(job) {
  const { adapter, open, ints } = await runtime(job);
  const session = await open("observed");
  const seen = session.outputNames.filter((name) => /^(logits|resid_post|pattern)/.test(name));
  const run = () => session.run({ tokens: ints(job.tokens) }, seen);
  const out = await run();
  const checks = seen.map((name) => sample(hookOf(name), out[name].data, name === "logits" ? 2048 : 128));
  return { adapter, checks, measure: () => times(job.n_samples, run) };
}

// Keys lie as [head d_head capacity] and values as [head capacity d_head], so that nothing is transposed in the graph.
async function decode(job) {
  const { adapter, open, ints, floats } = await runtime(job);
  const { tokens, n_context, n_samples, n_layers, n_heads, d_head, d_vocab } = job;
  const nSteps = tokens.length - n_context;
  const capacity = Math.ceil((n_context + nSteps) / 64) * 64;
  const prefill = await open("observed");
  const kvNames = prefill.outputNames.filter((name) => /^[kv]\./.test(name));
  const before = await prefill.run({ tokens: ints(tokens.slice(0, n_context)) }, kvNames);
  await prefill.release();
  const session = await open("decode");
  const size = n_heads * d_head * capacity;
  const cache = Array.from({ length: n_layers }, () => ({ k: new Float32Array(size), v: new Float32Array(size) }));
  const mask = new Float32Array(capacity).fill(-1e30);
  const keep = (pos, k, v, { k: ks, v: vs }) => {
    for (let head = 0; head < n_heads; head += 1) {
      for (let i = 0; i < d_head; i += 1) {
        ks[(head * d_head + i) * capacity + pos] = k[head * d_head + i];
        vs[(head * capacity + pos) * d_head + i] = v[head * d_head + i];
      }
    }
  };
  const fill = () => {
    mask.fill(-1e30).fill(0, 0, n_context);
    for (let pos = 0; pos < n_context; pos += 1) {
      const row = (name) => before[name].data.subarray(pos * n_heads * d_head);
      cache.forEach((layer, l) => keep(pos, row(`k.${l}`), row(`v.${l}`), layer));
    }
  };
  const step = async (pos) => {
    const feeds = { token: ints([tokens[pos]]), position: ints([pos]), mask: floats(mask, [capacity]) };
    cache.forEach(({ k, v }, l) => {
      feeds[`past_k.${l}`] = floats(k, [n_heads, d_head, capacity]);
      feeds[`past_v.${l}`] = floats(v, [n_heads, capacity, d_head]);
    });
    const out = await session.run(feeds);
    cache.forEach((layer, l) => keep(pos, out[`k.${l}`].data, out[`v.${l}`].data, layer));
    mask[pos] = 0;
    return out.logits.data;
  };
  const checks = [];
  fill();
  for (let pos = n_context; pos < tokens.length; pos += 1) {
    checks.push(sample("logits", await step(pos), 64, pos * d_vocab));
  }
  const measure = async () => {
    fill();
    let pos = n_context - 1;
    return times(Math.min(n_samples, nSteps), () => step((pos += 1)));
  };
  return { adapter, checks, measure };
}

async function sae(job) {
  const { adapter, open, floats } = await runtime(job);
  const session = await open("sae", "sae/sae_weights.safetensors");
  const x = new Float32Array((await bytes("sae.x.f32")).buffer);
  const run = () => session.run({ x: floats(x, [x.length / 768, 768]) });
  const { values } = await run();
  return { adapter, checks: [sample("sae.top", values.data, 2048)], measure: () => times(job.n_samples, run) };
}

publish({ forward, decode, sae, sweep: async (job) => sweep(job, await runtime(job)) });
