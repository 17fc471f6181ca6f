// A question is sent, once, and its turn comes onto the page; so does another version of a question or an answer.
import { say } from "../sentences.js";
import { goToTheEnd } from "./following.js";
import { showSources } from "./sources.js";
import { drawList, isAnswering, read } from "./streaming.js";
import { complain, copyOf, piece, post } from "./wire.js";

const exchanges = document.getElementById("exchanges");
const composer = document.getElementById("composer");
const words = composer.elements.namedItem("text");
const askButton = composer.querySelector("[data-ask]");

function takeIn(said, replaced) {
  const fresh = piece(said.turn_html).firstElementChild;
  document.getElementById("first-run")?.remove();
  if (replaced?.id === fresh.id) { // The same answer goes on in its place.
    replaced.replaceWith(fresh);
    showSources(fresh);
    if (fresh.dataset.stream) read(fresh);
    return;
  }
  if (replaced) {
    while (replaced.nextElementSibling) replaced.nextElementSibling.remove(); // They followed the version before.
    replaced.replaceWith(fresh);
  } else {
    exchanges.append(fresh);
  }
  composer.elements.namedItem("after").value = fresh.dataset.answer;
  if (said.list_html) drawList(said.list_html);
  if (said.title) {
    document.querySelector("#conversation-title").textContent = said.title;
    document.title = `${said.title} · Lectern`;
  }
  if (location.pathname !== new URL(said.conversation_url, location).pathname) {
    history.pushState(null, "", said.conversation_url);
    here = location.pathname;
    composer.action = said.ask_url;
  } else if (location.search || location.hash) {
    history.replaceState(null, "", said.conversation_url); // An older version was shown; this one is the newest.
  }
  document.getElementById("conversation-acts").innerHTML = said.acts_html; // They take along what is shown.
  goToTheEnd();
  showSources(fresh);
  if (fresh.dataset.stream) read(fresh);
}

let here = location.pathname;
let asking = false;
async function ask(text) {
  if (asking || !text.trim()) return;
  if (isAnswering()) return complain(say("answering"));
  asking = true;
  askButton.disabled = true;
  complain("");
  const body = new FormData(composer);
  body.set("text", text);
  const isTyped = text === words.value;
  const coming = announceTurn(text);
  if (isTyped) words.value = "";
  try {
    const said = await post(composer.action, body);
    words.dispatchEvent(new Event("input")); // What was kept of it goes.
    takeIn(said, coming);
    // A key names one question: sent twice it is asked once, and the next question needs a new one.
    composer.elements.namedItem("client_key").value = newKey();
    words.placeholder = say("followUp");
  } catch (error) {
    coming.remove();
    if (isTyped) words.value = [text, words.value].filter(Boolean).join("\n"); // The next one may be begun already.
    else words.value ||= text;
    complain(error.message);
  }
  asking = false;
  askButton.disabled = false;
}
/** The question stands on the page at once, before anybody has answered the request. */
function announceTurn(text) {
  exchanges.append(copyOf("coming-turn"));
  const coming = exchanges.lastElementChild;
  coming.querySelector(".ask").textContent = text;
  goToTheEnd();
  return coming;
}
// randomUUID is for secure origins only; an address on the local network may not be one.
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

composer.addEventListener("submit", (event) => { event.preventDefault(); ask(words.value); });
words.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  ask(words.value);
});

document.addEventListener("submit", async (event) => {
  if (event.target.matches("[data-sample]")) {
    event.preventDefault();
    ask(event.target.elements.namedItem("text").value);
  }
  if (event.target.matches("[data-again], [data-edit]")) {
    event.preventDefault();
    if (asking) return;
    if (isAnswering()) return complain(say("answering"));
    asking = true;
    const exchange = event.target.closest(".exchange");
    const body = new FormData(event.target);
    if (event.target.matches("[data-edit]")) body.set("client_key", newKey());
    complain("");
    try {
      const said = await post(event.target.action, body);
      const running = document.getElementById(piece(said.turn_html).firstElementChild.id);
      takeIn(said, running ?? exchange);
    } catch (error) {
      complain(error.message);
    }
    asking = false;
  }
});
addEventListener("popstate", () => { if (location.pathname !== here) location.reload(); });
