// Runs one build of the kernel on a matrix with odd sides: the product and the product with the transpose beside plain
// sums, what is read off the product, one planted error, and, where memory is shared, the products with a helper.
const [build, helperScript] = args;
const isShared = build.includes("shared");
const module = await WebAssembly.compile(await (await fetch(`./${build}`)).arrayBuffer());
const memory = new WebAssembly.Memory({ initial: 64, ...(isShared ? { maximum: 65536, shared: true } : {}) });
const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
const [m, n, k] = [71, 1037, 203];
const nPanels = Math.ceil(n / 8);
let end = exports.__heap_base.value;
const take = (bytes) => (end = (end + bytes + 63) & ~63) - ((bytes + 63) & ~63);
const floats = (at, length) => new Float32Array(memory.buffer, at, length);
const values = (length, seed) => Float32Array.from({ length }, (_, i) => (((i + 1) * 2654435761 * seed) >>> 8) % 2001 / 1000 - 1);
const at = { stack: take(65536) + 65536, b: take(nPanels * 8 * k * 4), bias: take(n * 4), a: take(m * n * 4), c: take(m * n * 4) };
const [a, dy, b, bias] = [values(m * k, 3), values(m * n, 5), values(k * n, 7), values(n, 11)];
for (let i = 0; i < k; i += 1) {
  for (let col = 0; col < n; col += 1) floats(at.b, nPanels * 8 * k)[((col >> 3) * k + i) * 8 + (col & 7)] = b[i * n + col];
}
floats(at.bias, n).set(bias);

const multiply = (isTransposed, chunk) => {
  floats(at.a, m * (isTransposed ? n : k)).set(isTransposed ? dy : a);
  const c = floats(at.c, m * (isTransposed ? k : n)).fill(NaN);
  exports.begin(isTransposed, m, n, k, at.a, at.b, isTransposed ? 0 : at.bias, at.c, chunk);
  if (isShared) Atomics.notify(new Int32Array(memory.buffer), exports.number_address() >> 2);
  exports.work();
  while (exports.n_unfinished() !== 0);
  return c.slice();
};

// The largest error, in units of the terms' number; NaN counts as infinite.
const error = (c, rows, cols, terms, want) => {
  let largest = 0;
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += 1) {
      const distance = Math.abs(c[row * cols + col] - want(row, col)) / Math.sqrt(terms);
      largest = distance <= largest ? largest : Number.isNaN(distance) ? Infinity : distance;
    }
  }
  return largest;
};
const sum = (terms, term) => {
  let total = 0;
  for (let i = 0; i < terms; i += 1) total += term(i);
  return total;
};
const wantProduct = (row, col) => bias[col] + sum(k, (i) => a[row * k + i] * b[i * n + col]);
const wantTransposed = (row, i) => sum(n, (col) => dy[row * n + col] * b[i * n + col]);

const transposed = multiply(1, Math.ceil(k / 8)), product = multiply(0, nPanels);

// Read off where the product lies.
const chosen = Uint32Array.from({ length: m }, (_, row) => (row * 97) % n);
const wantRank = (row, place) => {
  const values = product.subarray(row * n, (row + 1) * n), max = Math.max(...values), entry = values[chosen[row]];
  const sumExp = sum(n, (i) => Math.exp(values[i] - max));
  return [max, sumExp, entry, sum(n, (i) => (entry < values[i] ? 1 : 0))][place];
};
const [ids, ranks, keys, pairs] = [m * 4, m * 16, 4096, m * 5 * 8].map(take);
new Uint32Array(memory.buffer, ids, m).set(chosen);
exports.standings(at.c, m, n, ids, ranks);
exports.top_k(at.c, m, n, 5, keys, pairs);
const ordered = Array.from({ length: m }, (_, row) => {
  const values = product.subarray(row * n, (row + 1) * n);
  return [...values.keys()].sort((x, y) => values[y] - values[x] || x - y);
});
const wantPair = (row, place) => {
  const index = ordered[row][place >> 1];
  return place & 1 ? index : product[row * n + index];
};
const ACTIVATIONS = {
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
};
const NUMBERS = { gelu_new: 0, silu: 2, relu: 3 };
const activated = Object.entries(ACTIVATIONS).map(([name, f]) => {
  floats(at.c, m * n).set(product);
  exports.activate(NUMBERS[name], at.c, m * n);
  return error(floats(at.c, m * n), m, n, 1, (row, col) => f(product[row * n + col]));
});
const planted = product.slice();
planted[m * n - 1] += 0.01;
const found = {
  product: error(product, m, n, k, wantProduct),
  transposed: error(transposed, m, k, n, wantTransposed),
  standings: error(floats(ranks, m * 4), m, 4, n, wantRank),
  top_k: error(floats(pairs, m * 10), m, 10, 1, wantPair),
  activated: activated.reduce((largest, one) => (one <= largest ? largest : one), 0),
  planted: error(planted, m, n, k, wantProduct),
  isSameInThreads: true,
};
if (isShared) {
  const helper = new Worker(`./${helperScript}`);
  await new Promise((resolve, reject) => {
    helper.onmessage = resolve;
    helper.onerror = reject;
    helper.postMessage({ module, memory, stack: at.stack });
  });
  for (let i = 0; i < 200; i += 1) {
    const again = [multiply(0, 4), multiply(1, 4)];
    const isSame = (x, y) => x.every((value, at) => Object.is(value, y[at]));
    found.isSameInThreads &&= isSame(again[0], product) && isSame(again[1], transposed);
  }
  helper.terminate();
}
return found;
