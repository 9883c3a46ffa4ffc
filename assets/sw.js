// Isolates the page from other origins on hosts that do not send the headers for it: only then do browsers share memory
// between threads. It changes nothing else, keeps nothing, and leaves pages inside other pages alone.
// src/ui/isolation.rs puts it in; it is at work from the next visit.
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = new URL(request.url).origin === self.location.origin;
  // A browser refuses to fetch the first of these on anybody's behalf.
  if (!isOurs || (request.cache === "only-if-cached" && request.mode !== "same-origin")) return;
  if (request.destination === "iframe") return;
  event.respondWith(isolated(request));
});

async function isolated(request) {
  const reply = await fetch(request);
  // What a redirect or another origin hid from us passes as it is.
  if (reply.type !== "basic") return reply;
  const headers = new Headers(reply.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(reply.body, { status: reply.status, statusText: reply.statusText, headers });
}
