// The conversation: a question is asked, its answer is read as it is written, and the page behind each sentence opens beside it.
import { openSheet } from "./shell.js";
import { show } from "./viewer.js";
import "./meter.js";
import "./upload.js";

const talk = document.getElementById("talk");
const exchanges = document.getElementById("exchanges");
const composer = document.getElementById("composer");
const words = composer.elements.namedItem("text");
const askButton = composer.querySelector("[data-ask]");
const stopButton = composer.querySelector("[data-stop]");
const trouble = document.getElementById("composer-trouble");
const announcement = document.getElementById("announce");
const panel = document.getElementById("sources");
const cited = document.getElementById("cited");
const viewer = panel.querySelector(".viewer");
const down = document.getElementById("to-latest");
const noPageOpen = viewer.innerHTML;

const token = () => document.querySelector('meta[name="csrf-token"]').content;
const announce = (text) => { announcement.textContent = text; };
const piece = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
};
const copyOf = (id) => document.getElementById(id).content.cloneNode(true);

/** Send a form's fields; JSON comes back, or a plain sentence is thrown. */
async function post(url, body = new FormData()) {
  let answer;
  try {
    answer = await fetch(url, {
      method: "POST", body,
      headers: { "X-CSRFToken": token(), "X-Requested-With": "fetch", Accept: "application/json" },
    });
  } catch {
    throw new Error("The connection was lost. Your question is still here; ask again.");
  }
  const said = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : null;
  if (answer.ok && said) return said;
  if (answer.redirected) { location.assign(answer.url); return new Promise(() => {}); }
  const fields = Object.values(said?.errors ?? {}).flat().map((each) => each.message ?? each);
  throw new Error(said?.error?.reason ?? said?.error?.message ?? (fields.join(" ") || faultOf(answer.status)));
}
function faultOf(status) {
  if (status === 403) return "You are signed out, or this page is too old. Load it again; your question is kept.";
  if (status === 429) return "Too many questions in the last minute. Wait a little, then ask again.";
  return "The server could not take the question. Ask again.";
}

// Following -----------------------------------------------------------------------------------------------------------
// The page follows the answer only for somebody who is at its end.
const atTheEnd = () => talk.scrollHeight - talk.scrollTop - talk.clientHeight < 48;
let follows = true;
const toTheEnd = () => { talk.scrollTop = talk.scrollHeight; };
function settleDown() {
  down.hidden = !stream || follows;
}
talk.addEventListener("scroll", () => { follows = atTheEnd(); settleDown(); }, { passive: true });
down.addEventListener("click", (event) => { event.preventDefault(); follows = true; toTheEnd(); settleDown(); });

// The stream ----------------------------------------------------------------------------------------------------------
let stream = null;
let stopping = false;

function answering(is) {
  askButton.hidden = is;
  stopButton.hidden = !is;
  if (is) stopButton.disabled = false;
  settleDown();
}

/** Say how far it is: a new stage ends the one before, more words on the same stage take the place of its own. */
function stage(exchange, { stage: name, text }) {
  const list = exchange.querySelector(".stages");
  let running = list.querySelector("[aria-current]");
  if (running?.textContent.trim() === text) return;
  if (running?.dataset.stage !== name) {
    if (running) {
      running.removeAttribute("aria-current");
      running.classList.add("done");
      running.prepend(copyOf("icon-done"));
    }
    running = document.createElement("li");
    running.setAttribute("aria-current", "step");
    running.dataset.stage = name;
    list.append(running);
  }
  running.textContent = text;
  announce(text);
}

function close() {
  stream?.close();
  stream = null;
  stopping = false;
  answering(false);
}

function finish(exchange, html, listHtml) {
  const hadFocus = exchange.contains(document.activeElement);
  const whole = piece(html).firstElementChild;
  exchange.replaceWith(whole);
  close();
  if (listHtml) drawList(listHtml);
  if (hadFocus) whole.querySelector(".ask").focus();
  if (follows) toTheEnd();
  announce(whole.dataset.ended);
  showSources(whole);
}

function read(exchange) {
  stream?.close();
  stream = new EventSource(exchange.dataset.stream);
  const mine = stream;
  const answer = exchange.querySelector(".answer");
  const lost = exchange.querySelector("[data-lost]");
  if (lost) {
    lost.remove();
    exchange.querySelector(".stages").replaceChildren(); // The stream tells them again.
  }
  answer.setAttribute("aria-busy", "true");
  answering(true);
  mine.addEventListener("status", (event) => {
    stage(exchange, JSON.parse(event.data));
    if (follows) toTheEnd();
  });
  mine.addEventListener("answer", (event) => {
    answer.innerHTML = JSON.parse(event.data).html;
    if (follows) toTheEnd();
  });
  mine.addEventListener("done", (event) => {
    const { html, list_html: listHtml } = JSON.parse(event.data);
    finish(exchange, html, listHtml);
  });
  mine.addEventListener("error", (event) => {
    if (mine !== stream) return;
    // The server's own `error` event carries data; what the browser reports of the connection carries none.
    if (event instanceof MessageEvent) finish(exchange, JSON.parse(event.data).html);
    else lose(exchange);
  });
}

function lose(exchange) {
  const wasStopping = stopping;
  close();
  exchange.querySelector(".answer").removeAttribute("aria-busy");
  if (wasStopping) return read(exchange); // What was written up to the stop is asked for once more.
  exchange.append(copyOf("connection-lost"));
  announce(exchange.querySelector("[data-lost] p").textContent);
  if (follows) toTheEnd();
}

async function stop() {
  const exchange = exchanges.querySelector("[data-stream]");
  if (!exchange || stopping) return;
  stopping = true;
  stopButton.disabled = true;
  try {
    await fetch(exchange.dataset.stop, { method: "POST", headers: { "X-CSRFToken": token(), "X-Requested-With": "fetch" } });
  } catch {
    stopping = false;
    stopButton.disabled = false;
  }
}

// Asking --------------------------------------------------------------------------------------------------------------
function drawList(html) {
  document.getElementById("conversation-list").innerHTML = html;
}

function takeIn(said, replaced) {
  const fresh = piece(said.turn_html).firstElementChild;
  document.getElementById("first-run")?.remove();
  if (replaced) replaced.replaceWith(fresh);
  else exchanges.append(fresh);
  if (said.list_html) drawList(said.list_html);
  if (said.title) {
    document.querySelector("#conversation-title").textContent = said.title;
    document.title = `${said.title} · Lectern`;
  }
  if (location.pathname !== new URL(said.conversation_url, location).pathname) {
    history.pushState(null, "", said.conversation_url);
    here = location.pathname;
    composer.action = said.ask_url;
    document.getElementById("conversation-acts").innerHTML = said.acts_html ?? "";
  }
  follows = true;
  toTheEnd();
  showSources(fresh);
  if (fresh.dataset.stream) read(fresh);
}

let asking = false;
async function ask(text) {
  if (asking || stream || !text.trim()) return;
  asking = true;
  askButton.disabled = true;
  trouble.hidden = true;
  const body = new FormData(composer);
  body.set("text", text);
  try {
    const said = await post(composer.action, body);
    words.value = "";
    words.dispatchEvent(new Event("input"));
    sessionStorage.removeItem(draftKey());
    sessionStorage.removeItem("draft:/");
    takeIn(said);
    // A key names one question: sent twice it is asked once, and the next question needs a new one.
    composer.elements.namedItem("client_key").value = newKey();
    words.placeholder = "Ask a follow-up";
  } catch (error) {
    trouble.querySelector("p").textContent = error.message;
    trouble.hidden = false;
  }
  asking = false;
  askButton.disabled = false;
}
// randomUUID is for secure origins only; an address on the local network may not be one.
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

composer.addEventListener("submit", (event) => { event.preventDefault(); ask(words.value); });
stopButton.addEventListener("click", stop);
words.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  ask(words.value);
});

// What was begun is still there after a reload.
let here = location.pathname;
const draftKey = () => `draft:${here}`;
words.value ||= sessionStorage.getItem(draftKey()) ?? "";
words.addEventListener("input", () => sessionStorage.setItem(draftKey(), words.value));

document.addEventListener("submit", async (event) => {
  if (event.target.matches("[data-sample]")) {
    event.preventDefault();
    ask(event.target.elements.namedItem("text").value);
  }
  if (event.target.matches("[data-again]")) {
    event.preventDefault();
    if (stream) return;
    const exchange = event.target.closest(".exchange");
    try {
      const said = await post(event.target.action, new FormData(event.target));
      const running = document.getElementById(piece(said.turn_html).firstElementChild.id);
      takeIn(said, running ?? exchange);
    } catch (error) {
      trouble.querySelector("p").textContent = error.message;
      trouble.hidden = false;
    }
  }
});
addEventListener("popstate", () => { if (location.pathname !== here) location.reload(); });

// Sources -------------------------------------------------------------------------------------------------------------
let shown = null; // the exchange whose sources the panel lists

function showSources(exchange) {
  const sources = exchange.querySelector("template[data-sources]");
  if (shown === exchange || !sources) return;
  shown = exchange;
  const [list, made] = sources.content.cloneNode(true).children;
  cited.replaceChildren(...list.childNodes);
  document.getElementById("made").replaceChildren(...made.childNodes);
  document.getElementById("sources-count").textContent = cited.querySelectorAll("li").length || "";
  viewer.innerHTML = noPageOpen;
  delete viewer.dataset.page;
  // Where the panel stands open anyway, the first source is on it already.
  const first = cited.querySelector("a[data-panel]");
  if (first && getComputedStyle(panel).position !== "fixed") open(first, false);
}

/** Open the page behind a link; the number one came by carries the light, others of that page half of it. */
function open(link, asked = true) {
  const exchange = link.closest(".exchange");
  if (exchange) showSources(exchange);
  const within = shown ?? document;
  const chip = link.matches(".cite") ? link : within.querySelector(`.cite[data-panel="${CSS.escape(link.dataset.panel)}"]`);
  const mark = link.dataset.mark ?? chip?.dataset.mark;
  for (const each of document.querySelectorAll(".cite, .cited a")) {
    const samePage = each.dataset.panel === link.dataset.panel && (!each.matches(".cite") || within.contains(each));
    each.toggleAttribute("data-near", samePage && each.matches(".cite") && each !== chip);
    if (samePage && (each === chip || each.matches(".cited a"))) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  if (asked && getComputedStyle(panel).display === "none") location.hash = "#sources";
  show(viewer, link.dataset.panel, mark);
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("[data-panel]");
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    hide();
    open(link);
  }
  if (event.target.closest?.("[data-go-on]")) read(event.target.closest(".exchange"));
  const copy = event.target.closest?.("[data-copy]");
  if (copy) {
    await navigator.clipboard.writeText(plain(copy.closest(".exchange")));
    announce("Copied, with the sources.");
  }
});

/** The answer as text: numbers in brackets, and the sources with their addresses below. */
function plain(exchange) {
  const text = exchange.querySelector(".answer").cloneNode(true);
  for (const chip of text.querySelectorAll(".cite")) chip.textContent = ` [${chip.textContent.trim()}]`;
  const sources = [...exchange.querySelector("template[data-sources]").content.querySelectorAll(".cited a")]
    .map((link) => `[${link.dataset.number}] ${link.title}: ${new URL(link.getAttribute("href"), location)}`);
  const lines = [...text.querySelectorAll("p:not(li p), li, tr, pre, h1, h2, h3, h4")].map((line) => {
    if (line.matches("tr")) return [...line.cells].map((cell) => cell.textContent.trim()).join("\t");
    return (line.matches("li") ? "- " : "") + line.textContent.trim();
  });
  return [lines.join("\n"), sources.join("\n")].join("\n\n");
}

// A citation shows its words on hover and on focus; the pointer may move into them, Escape closes (WCAG 1.4.13) ----------
let peek = null;
function hide() {
  peek?.box.hidePopover();
  peek?.chip.removeAttribute("aria-describedby");
  peek = null;
}
function peekAt(chip) {
  const box = document.getElementById(chip.dataset.peek);
  if (!box || peek?.chip === chip) return;
  hide();
  box.showPopover();
  chip.setAttribute("aria-describedby", box.id);
  const at = chip.getBoundingClientRect();
  const below = at.bottom + box.offsetHeight + 12 < innerHeight;
  box.style.left = `${Math.max(12, Math.min(at.left - 16, innerWidth - box.offsetWidth - 12))}px`;
  box.style.top = `${below ? at.bottom + 6 : at.top - box.offsetHeight - 6}px`;
  peek = { chip, box };
}
document.addEventListener("mouseover", (event) => {
  const chip = event.target.closest?.("[data-peek]");
  if (chip) peekAt(chip);
});
document.addEventListener("mouseout", (event) => {
  if (!peek || !(peek.chip.contains(event.target) || peek.box.contains(event.target))) return;
  setTimeout(() => { if (peek && !peek.box.matches(":hover") && !peek.chip.matches(":hover, :focus-visible")) hide(); }, 120);
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-peek]") && event.target.matches(":focus-visible")) peekAt(event.target);
});
document.addEventListener("focusout", (event) => { if (event.target === peek?.chip) hide(); });
talk.addEventListener("scroll", hide, { passive: true });

// In the order of what lies on top: the words of a citation, a sheet or dialog, and only then the answer.
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (peek) { hide(); event.preventDefault(); }
  else if (stream && !openSheet() && !document.querySelector("dialog[open], .menu:popover-open")) stop();
}, true);

// On arrival ----------------------------------------------------------------------------------------------------------
const latest = exchanges.lastElementChild;
if (latest) {
  toTheEnd();
  showSources(latest);
  if (latest.dataset.stream) read(latest);
}

// The first page, while documents are still being read: what can be asked appears by itself.
async function awaitReady() {
  const ready = document.getElementById("ready");
  if (!ready || ready.dataset.reading === "0") return;
  try {
    const answer = await fetch(location.href, { headers: { "X-Requested-With": "fetch" } });
    const fresh = piece(await answer.text()).querySelector("#ready");
    // Whoever is on a button there keeps it.
    if (fresh && !ready.contains(document.activeElement)) ready.replaceWith(fresh);
  } catch { /* No connection at the moment: asked again. */ }
  setTimeout(awaitReady, 2000);
}
setTimeout(awaitReady, 2000);
