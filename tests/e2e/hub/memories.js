// Stands in front of the worker's script. On the channel "memories" it says how many bytes each memory of a kernel has
// that still exists; asked to "collect", only once what nobody uses any more is gone.
{
  const made = [];
  WebAssembly.Memory = class extends WebAssembly.Memory {
    constructor(limits) {
      super(limits);
      made.push(new WeakRef(this));
    }
  };
  const channel = new BroadcastChannel("memories");
  channel.onmessage = ({ data }) => {
    if (data === "collect") self.gc();
    channel.postMessage(made.map((ref) => ref.deref()?.buffer.byteLength ?? 0));
  };
}
