// From a pointer's event to a page that shows it and is laid out again, for 50 marks of a view, milliseconds. The wait for
// the display's next frame is not in it. What is said of each mark is returned, to see that something was pointed at.
const [surface, saidIn, nTimes] = args;
const turn = () => new Promise((done) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = done;
  port2.postMessage(0);
});
// A fixed walk over the unit square that comes near everything: the R2 sequence (Roberts 2018).
const at = (i) => [(0.5 + 0.7548776662 * i) % 1, (0.5 + 0.5698402910 * i) % 1];
const pointed = (i) => {
  const [across, down] = at(i);
  const all = document.querySelectorAll(surface);
  if (all.length === 0) throw new Error(`there is no ${surface}`);
  // One element with cells of its own, or many marks.
  const one = all[all.length === 1 ? 0 : Math.floor(across * all.length)];
  const box = one.getBoundingClientRect();
  // A matrix of attention is empty above its diagonal.
  const [x, y] = all.length === 1 ? [across * down, down] : [0.5, 0.5];
  return [one, { bubbles: true, pointerType: "mouse", clientX: box.left + x * box.width, clientY: box.top + y * box.height }];
};
const millis = [], said = [];
for (let i = 0; i < nTimes; i++) {
  const [mark, where] = pointed(i);
  const events = ["pointerover", "pointermove"].map((kind) => new PointerEvent(kind, where));
  await turn();
  const start = performance.now();
  events.forEach((event) => mark.dispatchEvent(event));
  await turn(); // What the event set off runs in microtasks, all of them before this.
  const text = document.querySelector(saidIn)?.innerText ?? "";
  document.body.getBoundingClientRect();
  millis.push(performance.now() - start);
  said.push(text);
}
return { millis, said };
