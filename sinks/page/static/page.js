// Keeps the page up to date: what the server sends is morphed into it, so that focus and scroll position stay.
import { Idiomorph } from "./idiomorph-0.8.0/idiomorph.esm.js";

const SILENT_MS = 10000; // the server says something every second, or after four where ClickHouse hangs
const AGAIN_MS = 2000;

const address = document.body.dataset.stream;
const board = document.getElementById("board");
const health = document.getElementById("health");
const lost = document.getElementById("lost");
const full = document.getElementById("full");
let stream = null;
let again = null;
let heardAt = Date.now();

function morph(element, html) {
  Idiomorph.morph(element, html, {
    morphStyle: "innerHTML",
    // A list that is being chosen from stays as it is until the choice is made.
    callbacks: { beforeNodeMorphed: (node) => !(node.tagName === "SELECT" && node === document.activeElement) },
  });
}

// Times are in UTC; their titles have them in the viewer's own zone.
function addLocalTimes() {
  for (const time of board.querySelectorAll("time[datetime]")) time.title = new Date(time.dateTime).toLocaleString();
}

function connect() {
  disconnect();
  stream = new EventSource(address + location.search);
  stream.addEventListener("board", (event) => {
    heard();
    morph(board, event.data);
    addLocalTimes();
    board.removeAttribute("aria-busy");
  });
  stream.addEventListener("health", (event) => {
    heard();
    const { state, html } = JSON.parse(event.data);
    document.body.dataset.state = state;
    morph(health, html);
  });
  // The browser tries again by itself, unless the answer was no stream at all.
  stream.addEventListener("error", () => {
    if (stream?.readyState === EventSource.CLOSED) refused();
  });
}

// An answer that is no stream is not shown to scripts by EventSource: it is asked for once more, to be read.
async function refused() {
  again = setTimeout(connect, AGAIN_MS);
  try {
    const answer = await fetch(address + location.search);
    if (answer.ok) return answer.body.cancel();
    full.textContent = (await answer.text()).slice(0, 200);
    full.hidden = false;
  } catch {
    // The server is away, which is said after a while.
  }
}

function disconnect() {
  clearTimeout(again);
  stream?.close();
  stream = null;
}

function heard() {
  heardAt = Date.now();
  full.hidden = true;
  lost.hidden = true;
}

function show(where) {
  history.pushState(null, "", where);
  board.setAttribute("aria-busy", "true");
  connect();
}

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form?.id === "choices") show("?" + new URLSearchParams(new FormData(form)));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("#board a[aria-expanded]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  show(link.href);
});

addEventListener("popstate", connect);

// A hidden page costs nothing, and browsers allow six streams to a server, over all tabs.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return disconnect();
  heardAt = Date.now();
  connect();
});
addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => event.persisted && connect());

setInterval(() => {
  const silentSeconds = Math.round((Date.now() - heardAt) / 1000);
  if (document.hidden || silentSeconds * 1000 < SILENT_MS) return;
  document.body.dataset.state = "lost";
  lost.querySelector("span").textContent = `${silentSeconds} s`;
  lost.hidden = false;
  // A connection may be dead without anybody having said so.
  if (silentSeconds % 10 === 0) connect();
}, 1000);

addLocalTimes();
connect();
