// A sweep of residual patches on the peer: every block and position of a clean run into a corrupted one.
//
// One session a block takes the rows of many runs at once, so that each weight is read once a block. What is run is a
// choice of rows, and three choices are measured:
//   naive         every run from the first block, all positions: what an exported model with a patch input does
//   from_layer    each run from the block where it is patched, all positions
//   shared_prefix each run from the block and the position where it is patched; before it, the base run's rows
import { sample, times } from "./timing.js";

const ARRANGEMENTS = {
  naive: { startsAt: () => 0, firstRow: () => 0 },
  from_layer: { startsAt: (layer) => layer, firstRow: () => 0 },
  shared_prefix: { startsAt: (layer) => layer, firstRow: (pos) => pos },
};

// The rows that enter the first block, [pos d_model], from the weights file itself.
function embedder(file, d_model) {
  const nHeader = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + nHeader)));
  const table = (name) => new Float32Array(file.buffer, 8 + nHeader + header[name].data_offsets[0]);
  const [wte, wpe] = [table("wte.weight"), table("wpe.weight")];
  return (tokens) => Float32Array.from({ length: tokens.length * d_model }, (_, i) => {
    const pos = Math.floor(i / d_model), column = i % d_model;
    return wte[tokens[pos] * d_model + column] + wpe[i];
  });
}

export async function sweep(job, { adapter, open, ints, floats, weights }) {
  const { clean, corrupted, columns, n_layers, d_model, n_samples } = job;
  const n = clean.length;
  const sessions = [];
  for (let layer = 0; layer < n_layers; layer += 1) sessions.push(await open(`sweep.${layer}`));
  const embed = embedder(weights(), d_model);
  const mask = floats(Float32Array.from({ length: n * n }, (_, i) => (i % n <= Math.floor(i / n) ? 0 : -1e30)), [n, n]);

  // Logits at the last position, [patch column], patches block by block.
  const run = async ({ startsAt, firstRow }) => {
    // Runs 0 and 1 are the base, which is patched, and the clean run, which is patched from.
    const runs = [{ first: 0, start: 0 }, { first: 0, start: n }];
    let rows = new Float32Array(2 * n * d_model);
    rows.set(embed(corrupted));
    rows.set(embed(clean), n * d_model);
    const join = (layer, news) => {
      const nRows = news.reduce((sum, { first }) => sum + n - first, rows.length / d_model);
      const joined = new Float32Array(nRows * d_model);
      joined.set(rows);
      let start = rows.length / d_model;
      for (const { first, patch } of news) {
        joined.set(rows.subarray(first * d_model, n * d_model), start * d_model);
        runs.push({ first, start, patch });
        start += n - first;
      }
      rows = joined;
    };
    for (let layer = 0; layer < n_layers; layer += 1) {
      const news = [];
      for (let of = 0; of < n_layers; of += 1) {
        if (startsAt(of) !== layer) continue;
        for (let pos = 0; pos < n; pos += 1) news.push({ first: firstRow(pos), patch: { layer: of, pos } });
      }
      join(layer, news);
      for (const { first, start, patch } of runs) {
        if (patch?.layer !== layer) continue;
        const from = (n + patch.pos) * d_model;
        rows.copyWithin((start + patch.pos - first) * d_model, from, from + d_model);
      }
      const map = runs.flatMap(({ first, start }) =>
        Array.from({ length: n }, (_, pos) => (pos < first ? pos : start + pos - first)));
      const own = runs.flatMap(({ first }, i) => Array.from({ length: n - first }, (_, j) => i * n + first + j));
      const feeds = { rows: floats(rows, [rows.length / d_model, d_model]), map: ints(map, [runs.length, n]) };
      if (layer < n_layers - 1) {
        rows = (await sessions[layer].run({ ...feeds, mask, own: ints(own) })).after.data;
      } else {
        const { logits } = await sessions[layer].run({ ...feeds, columns: ints(columns) });
        return logits.data.subarray(2 * columns.length);
      }
    }
  };

  const checks = [];
  for (const [name, arrangement] of Object.entries(ARRANGEMENTS)) {
    checks.push(sample(`sweep.${name}`, await run(arrangement), Infinity));
  }
  const measure = async () => {
    const arrangements = {};
    for (const [name, arrangement] of Object.entries(ARRANGEMENTS)) {
      arrangements[name] = await times(n_samples, () => run(arrangement));
    }
    return { arrangements };
  };
  return { adapter, checks, measure };
}
