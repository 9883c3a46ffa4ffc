// The site's worker, spoken to as the page does: `window.engine`, for tests of what it does with a hub.
class Engine {
  #worker;
  #nRuns = 0;
  #requests = new Map();

  // A fresh worker of the site that lies there; the one before ends as with a closed tab.
  static async start(site) {
    window.engine?.end();
    const page = new DOMParser().parseFromString(await (await fetch(site)).text(), "text/html");
    const meta = page.querySelector("meta[name=vitrine-worker]");
    const type = meta.dataset.type === "module" ? "module" : "classic";
    const engine = new Engine();
    engine.#worker = new Worker(new URL(meta.content, site), { type });
    await new Promise((resolve, reject) => {
      engine.#worker.onerror = (event) => reject(new Error(event.message));
      engine.#worker.onmessage = ({ data }) => {
        const letter = JSON.parse(data.json);
        if (letter.answer) letter.answer = JSON.parse(letter.answer);
        const request = engine.#requests.get(letter.run);
        if (letter.type === "ready") resolve();
        else if (letter.type === "moved") engine.#moved(letter.card);
        else if (letter.type === "progress") request.progress.push(letter);
        else request?.end({ ...letter, arrays: data.arrays.map((array) => [...array]) });
      };
    });
    engine.say({ type: "prefer", wish: "cpu" });
    window.engine = engine;
  }

  #card = null;
  #awaited = null;

  #moved(card) {
    this.#card = card;
    if (this.#awaited?.place === card.backend) this.#awaited.resolve(card);
  }

  // The card of a model that has moved there.
  moved(place) {
    if (this.#card?.backend === place) return Promise.resolve(this.#card);
    return new Promise((resolve) => (this.#awaited = { place, resolve }));
  }

  end() {
    this.#worker.terminate();
  }

  // A question and its answer are texts within the message.
  say({ question, ...message }) {
    if (question) message.question = JSON.stringify(question);
    this.#worker.postMessage({ json: JSON.stringify(message), files: [], arrays: [] });
  }

  // Sends a request and returns its number.
  ask(message) {
    const run = (this.#nRuns += 1);
    const request = { progress: [] };
    request.last = new Promise((resolve) => (request.end = resolve));
    this.#requests.set(run, request);
    this.say({ run, ...message });
    return run;
  }

  // The last reply.
  last(run) {
    return this.#requests.get(run).last;
  }

  // What was said of progress.
  progress(run) {
    return this.#requests.get(run).progress;
  }
}
window.Engine = Engine;
