// A helper thread: the same kernel over the same memory, with a stack of its own. It sleeps until there is a job.
onmessage = ({ data: { module, memory, stack } }) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  exports.__stack_pointer.value = stack;
  const words = new Int32Array(memory.buffer);
  const at = exports.number_address() >> 2;
  postMessage("ready");
  for (;;) Atomics.wait(words, at, exports.help());
};
