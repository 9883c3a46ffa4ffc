// Drops a GPT-2 of small weights on the page: as many layers and heads as GPT-2 small has, and the tokens of an embedded
// model. What a view costs depends on its shape only.
const [nLayers, nHeads, nPositions] = args;
const dModel = 8 * nHeads;
const small = "./models/tales-attn-2l/";
const tokenizer = await (await fetch(small + "tokenizer.json")).blob();
const vocab = (await (await fetch(small + "config.json")).json()).vocab_size;
const shapes = { "wte.weight": [vocab, dModel], "wpe.weight": [nPositions, dModel], "ln_f.weight": [dModel], "ln_f.bias": [dModel] };
for (let layer = 0; layer < nLayers; layer++) {
  const of = (name, shape) => { shapes[`h.${layer}.${name}`] = shape; };
  for (const norm of ["ln_1", "ln_2"]) { of(`${norm}.weight`, [dModel]); of(`${norm}.bias`, [dModel]); }
  for (const [name, nIn, nOut] of [
    ["attn.c_attn", dModel, 3 * dModel], ["attn.c_proj", dModel, dModel],
    ["mlp.c_fc", dModel, 4 * dModel], ["mlp.c_proj", 4 * dModel, dModel],
  ]) { of(`${name}.weight`, [nIn, nOut]); of(`${name}.bias`, [nOut]); }
}
// A linear congruential generator: the same weights each time.
let seed = 1;
const random = () => { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; return seed / 2 ** 32 - 0.5; };
const header = {}, arrays = [];
let end = 0;
for (const [name, shape] of Object.entries(shapes)) {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (/ln_.*weight/.test(name) ? 1 : 0.2 * random()));
  header[name] = { dtype: "F32", shape, data_offsets: [end, (end += values.byteLength)] };
  arrays.push(values);
}
const text = new TextEncoder().encode(JSON.stringify(header));
const length = new BigUint64Array([BigInt(text.length)]);
const config = {
  model_type: "gpt2", vocab_size: vocab, n_positions: nPositions, n_ctx: nPositions, n_embd: dModel,
  n_layer: nLayers, n_head: nHeads, layer_norm_epsilon: 1e-5, bos_token_id: 0, eos_token_id: 0,
};
const files = new DataTransfer();
files.items.add(new File([JSON.stringify(config)], "config.json"));
files.items.add(new File([length, text, ...arrays], "model.safetensors"));
files.items.add(new File([tokenizer], "tokenizer.json"));
const drop = (kind) => document.body.dispatchEvent(
  new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: files }));
["dragenter", "dragover", "drop"].forEach(drop);
