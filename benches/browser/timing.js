// What both pages share: a job is prepared, which gives values to be checked, and only then timed.

// Gives the browser a turn, so that no sample pays for what an earlier one left behind.
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

// After so long no further sample is taken.
const BUDGET_MILLIS = 20_000;

// Milliseconds of `n` runs of `work`, or of as many as take a while: at least one.
export async function times(n, work) {
  const samples = [], begin = performance.now();
  while (samples.length < n && (samples.length === 0 || performance.now() - begin < BUDGET_MILLIS)) {
    await turn();
    const start = performance.now();
    await work();
    samples.push(performance.now() - start);
  }
  return samples;
}

// Values spread evenly over an array, under the name of the hook point that they belong to.
// `start` is where the array begins in the whole of that name. An odd step goes through all columns of an even row.
export function sample(name, data, n, start = 0) {
  const step = Math.max(1, Math.floor(data.length / n)) | 1;
  const at = [], values = [];
  for (let i = Math.floor(step / 2); i < data.length; i += step) {
    at.push(start + i);
    values.push(data[i]);
  }
  return { name, at, values };
}

// Publishes what a page can do: `open[kind](job)` returns { checks, measure, ..notes }.
export function publish(open) {
  let opened;
  window.bench = {
    async prepare(job) {
      if (!crossOriginIsolated) throw new Error("the page is not isolated: no shared memory, no threads");
      const start = performance.now();
      opened = await open[job.work](job);
      const { measure, ...report } = opened;
      return { ...report, prepare_millis: performance.now() - start };
    },
    async measure() {
      return opened.measure();
    },
  };
}
