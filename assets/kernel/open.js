// The kernels: the build that this browser can run, a memory for it, and helpers where memory may be shared.
// It stands in front of the engine's script, which calls `openKernel` once a model; `KERNELS` names the files.
self.openKernel = (() => {
  const PAGE_BYTES = 65536, MAX_PAGES = 65536, FIRST_PAGES = 32;
  const STACK_BYTES = 65536, PATIENCE_MILLIS = 3000;
  // A bench compares like with like: `?threads=1` in the worker's address.
  const MAX_THREADS = Number(new URLSearchParams(self.location.search).get("threads")) || 8;
  const N_THREADS = Math.min(MAX_THREADS, navigator.hardwareConcurrency || 1);
  const url = (file) => new URL(file, self.location.href).href;

  // The first build that the browser accepts; the most capable stand first.
  const choose = async (isShared) => {
    for (const { file, instructions } of KERNELS.builds.filter((build) => build.isShared === isShared)) {
      const bytes = await (await fetch(url(file))).arrayBuffer();
      if (WebAssembly.validate(bytes)) return { instructions, module: await WebAssembly.compile(bytes) };
    }
    throw new Error("there is no kernel for this browser");
  };

  // Once: the next model opens without a network too.
  const chosen = new Map();
  const pick = async (isShared) => {
    if (!chosen.has(isShared)) chosen.set(isShared, await choose(isShared));
    return chosen.get(isShared);
  };

  // A helper that is ready, or null: one that does not start is done without.
  const help = (module, memory, stack) => new Promise((resolve) => {
    const worker = new Worker(url(KERNELS.helper));
    const give = (value) => {
      clearTimeout(timer);
      if (value === null) worker.terminate();
      resolve(value);
    };
    const timer = setTimeout(give, PATIENCE_MILLIS, null);
    worker.onmessage = () => give(worker);
    // Its errors would otherwise be the engine's.
    worker.onerror = (event) => {
      event.preventDefault();
      give(null);
    };
    worker.postMessage({ module, memory, stack });
  });

  const open = async (isShared) => {
    const { instructions, module } = await pick(isShared);
    const memory = new WebAssembly.Memory(
      isShared ? { initial: FIRST_PAGES, maximum: MAX_PAGES, shared: true } : { initial: FIRST_PAGES });
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    let start = exports.__heap_base.value;
    const asked = [];
    const nHelpers = isShared ? N_THREADS - 1 : 0;
    while (asked.length < nHelpers) asked.push(help(module, memory, (start += STACK_BYTES)));
    const helpers = (await Promise.all(asked)).filter((worker) => worker !== null);
    return {
      memory, exports, start, instructions, isShared,
      nThreads: 1 + helpers.length,
      // Whether there are `bytes` now.
      reach(bytes) {
        const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES);
        try {
          if (0 < missing) memory.grow(missing);
          return true;
        } catch {
          return false;
        }
      },
      close: () => helpers.splice(0).forEach((worker) => worker.terminate()),
    };
  };

  // Copies into and out of shared memory take longer: it is for helpers. It can be allowed and still not be had.
  const isShared = self.crossOriginIsolated && 1 < N_THREADS;
  return () => (isShared ? open(true).catch(() => open(false)) : open(false)).catch(() => null);
})();
