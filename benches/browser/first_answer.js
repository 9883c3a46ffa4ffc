// Runs in the page before anything else and notes, in milliseconds from navigation start, when the page shows a stored
// result, when a live model is ready, and when that model has answered its first question.
(() => {
  if (window.top !== window) return;
  const times = (window.vitrineTimes = {});
  const question = {
    kind: "attention",
    prompt: { text: "The old king sat by the fire, and the old king" },
  };
  const note = () => {
    const state = document.documentElement?.dataset.vitrine;
    if (state === "failed") {
      times.failure = document.querySelector('[role="alert"]')?.textContent || "no message";
    }
    if ((state === "stored" || state === "ready") && times[state] === undefined) {
      times[state] = performance.now();
      if (state === "ready") {
        window.vitrine.ask(question).then(
          () => { times.answer = performance.now(); },
          (error) => { times.failure = String(error && error.message); },
        );
      }
    }
  };
  new MutationObserver(note).observe(document, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-vitrine"],
  });
})();
