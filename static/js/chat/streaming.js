// An answer is read as it is written, stopped, and taken up again when the connection was lost.
import { isSearching } from "./finding.js";
import { follow, whileAnswering } from "./following.js";
import { showSources } from "./sources.js";
import { announce, complain, copyOf, ours, piece } from "./wire.js";

const exchanges = document.getElementById("exchanges");
const askButton = document.querySelector("#composer [data-ask]");
const stopButton = document.querySelector("#composer [data-stop]");
const whenComplete = document.querySelector("[data-when-complete]");
const RETRIES = 6; // one, two, four … seconds apart
let stream = null;
let stopping = false;
let retry = 0;

export const isAnswering = () => stream !== null;

export function drawList(html) {
  if (!isSearching()) document.getElementById("conversation-list").innerHTML = html;
}

function answering(is) {
  if (!is) complain(""); // It may have been said that one has to wait.
  askButton.hidden = is;
  stopButton.hidden = !is;
  if (is) stopButton.disabled = false;
  whileAnswering(is);
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
  clearTimeout(retry);
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
  follow();
  announce(whole.dataset.ended);
  showSources(whole);
}

/** Read an answer from where it is: the server goes on with the same one, however often it is asked for it. */
export function read(exchange, tries = 0) {
  clearTimeout(retry);
  stream?.close();
  stream = new EventSource(exchange.dataset.stream);
  const mine = stream;
  const answer = exchange.querySelector(".answer");
  if (!tries) answering(true);
  answer.setAttribute("aria-busy", "true");
  mine.addEventListener("open", () => {
    answering(true);
    tries = 0;
    if (!exchange.querySelector("[data-lost]")) return;
    exchange.querySelector("[data-lost]").remove();
    exchange.querySelector(".stages").replaceChildren(); // The stream tells them again.
  });
  mine.addEventListener("status", (event) => {
    stage(exchange, JSON.parse(event.data));
    follow();
  });
  mine.addEventListener("answer", (event) => {
    if (whenComplete.checked) return;
    const { html, proof_html: proof = "" } = JSON.parse(event.data);
    answer.innerHTML = html;
    exchange.querySelector("[data-proof]").innerHTML = proof;
    follow();
  });
  mine.addEventListener("done", (event) => {
    const { html, list_html: listHtml } = JSON.parse(event.data);
    finish(exchange, html, listHtml);
  });
  mine.addEventListener("error", (event) => {
    if (mine !== stream) return;
    // The server's own `error` event carries data; what the browser reports of the connection carries none.
    if (event instanceof MessageEvent) finish(exchange, JSON.parse(event.data).html);
    else lose(exchange, tries);
  });
}

/** The connection is lost: what there is stays, and the answer is taken up again as soon as it can be. */
function lose(exchange, tries) {
  const wasStopping = stopping && !tries;
  close();
  exchange.querySelector(".answer").removeAttribute("aria-busy");
  if (wasStopping) return read(exchange, 1); // What was written up to the stop is asked for once more.
  if (tries < RETRIES) retry = setTimeout(() => { if (exchange.isConnected) read(exchange, tries + 1); }, 1000 * 2 ** tries);
  if (exchange.querySelector("[data-lost]")) return;
  exchange.append(copyOf("connection-lost"));
  announce(exchange.querySelector("[data-lost] p").textContent);
  follow();
}
addEventListener("online", () => {
  const lost = exchanges.querySelector(".exchange:has([data-lost])");
  if (lost && !stream) read(lost);
});

export async function stop() {
  const exchange = exchanges.querySelector("[data-stream]");
  if (!exchange || stopping) return;
  stopping = true;
  stopButton.disabled = true;
  try {
    const answer = await fetch(exchange.dataset.stop, { method: "POST", headers: ours() });
    if (!answer.ok) throw new Error(answer.status);
  } catch {
    stopping = false;
    stopButton.disabled = false;
  }
}

stopButton.addEventListener("click", stop);
