// Runs one build of the kernel on a matrix with odd sides: the product and the product with the transpose beside plain
// sums, one planted error, and, where memory is shared, the same with a helper.
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

const product = multiply(0, nPanels), transposed = multiply(1, Math.ceil(k / 8));
const planted = product.slice();
planted[m * n - 1] += 0.01;
const found = {
  product: error(product, m, n, k, wantProduct),
  transposed: error(transposed, m, k, n, wantTransposed),
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
