// The library: what was sent is asked after, the table is drawn anew when something has arrived, documents are chosen
// for an act on all of them, and a receipt opens beside the list.
import { figure, say } from "./sentences.js";
import "./upload.js";

document.addEventListener("lectern:stored", () => htmx.trigger("#coming", "refresh"));

const status = document.getElementById("coming-status");
const underWay = () => Number(document.getElementById("coming")?.dataset.underWay ?? 0);
let before = underWay();
let chosenBefore = new Set();
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id === "documents") chosenBefore = new Set(ticks().filter((tick) => tick.checked).map((tick) => tick.value));
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "documents") {
    for (const tick of ticks()) tick.checked = chosenBefore.has(tick.value);
    count();
    showOpen();
  }
  if (event.target.id !== "coming") return;
  const summary = event.target.dataset.summary;
  // Said once for each change, not every two seconds.
  if (status.textContent.trim() !== summary) status.textContent = summary;
  document.getElementById("coming-head").hidden = !event.target.querySelector("li");
  if (underWay() !== before) htmx.trigger("#documents", "refresh");
  before = underWay();
});

// Signed out meanwhile, it is the sign-in page that comes: it gets the whole window.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  if (new URL(xhr.responseURL).pathname === new URL(pathInfo.requestPath, location).pathname) return;
  event.detail.shouldSwap = false;
  location.reload();
});

// A filter holds as soon as it is chosen. ------------------------------------------------------------------------------
const filters = document.querySelector("[data-filters]");
filters.addEventListener("change", (event) => { if (event.target.matches("select")) filters.requestSubmit(); });
filters.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});

// Several at once ------------------------------------------------------------------------------------------------------
const ticks = () => [...document.querySelectorAll('#documents input[name="document"]')];
function count() {
  const bar = document.querySelector("[data-bulk]");
  if (!bar) return;
  const all = ticks();
  const chosen = all.filter((tick) => tick.checked).length;
  bar.toggleAttribute("data-some", chosen > 0);
  bar.querySelector("[data-chosen-count]").textContent = chosen ? say("chosen", { n: figure(chosen) }) : say("noneChosen");
  const every = document.querySelector("[data-choose-all]");
  every.checked = chosen > 0 && chosen === all.length;
  every.indeterminate = chosen > 0 && chosen < all.length;
}
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-choose-all]")) for (const tick of ticks()) tick.checked = event.target.checked;
  if (event.target.closest("#documents")) count();
});
count();

const asking = document.getElementById("bulk");
document.addEventListener("htmx:afterSwap", (event) => { if (event.target === asking) asking.showModal(); });
asking.addEventListener("click", (event) => {
  if (!event.target.closest("[data-close-dialog]")) return;
  event.preventDefault();
  asking.close();
});

// The receipt beside the list ------------------------------------------------------------------------------------------
const drawer = document.getElementById("receipt");
const place = drawer.querySelector("[data-receipt-here]");
let shown = "";
let opener = ""; // By its name: the list may be drawn anew meanwhile.

function showOpen() {
  for (const row of document.querySelectorAll(".docs tbody tr")) {
    row.toggleAttribute("data-open", shown !== "" && row.querySelector("[data-receipt]").dataset.receipt === shown);
  }
}

async function openReceipt(link) {
  const mine = shown = link.dataset.receipt;
  opener = link.id;
  let piece = null;
  try {
    const answer = await fetch(mine, { headers: { "X-Requested-With": "fetch" } });
    if (answer.redirected) return location.assign(link.href); // Signed out meanwhile.
    if (answer.ok) piece = await answer.text();
  } catch { /* No connection: said below. */ }
  if (mine !== shown) return;
  if (piece === null) place.replaceChildren(document.getElementById("receipt-unreachable").content.cloneNode(true));
  else place.innerHTML = piece;
  htmx.process(place);
  drawer.hidden = false;
  showOpen();
  if (location.hash !== "#receipt") location.hash = "#receipt";
  const field = link.hash === "#password" && place.querySelector('input[type="password"]');
  (field || document.getElementById("receipt-head")).focus({ preventScroll: true });
}

function closeReceipt() {
  shown = "";
  drawer.hidden = true;
  place.replaceChildren();
  showOpen();
  document.getElementById(opener)?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-receipt]");
  // With a key held it opens where the person wants it.
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  openReceipt(link);
});
addEventListener("hashchange", () => { if (location.hash !== "#receipt" && !drawer.hidden) closeReceipt(); });
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && !drawer.hidden && !asking.open) location.hash = "#main";
});
// What an address alone asks for is not there any more.
if (location.hash === "#receipt") location.hash = "#main";
