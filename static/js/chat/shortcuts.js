// Keys for what one does often, and the sheet that tells them.
import { openSheet } from "../shell.js";
import { copy, latestAnswer } from "./copying.js";

const keys = document.getElementById("keys");
const composerWords = document.getElementById("composer").elements.namedItem("text");
const search = document.getElementById("find");
const isMac = navigator.platform.startsWith("Mac");
if (isMac) for (const each of keys.querySelectorAll("[data-mod]")) each.textContent = "⌘";

/** Where the list is a drawer it is opened first; opening it moves the focus, so ours comes after. */
function goToSearch() {
  if (search.offsetParent === null) {
    addEventListener("hashchange", () => setTimeout(() => search.focus()), { once: true });
    location.hash = "#side";
  } else {
    search.focus();
    search.select();
  }
}
function goToComposer() {
  if (openSheet()) location.hash = "#main";
  composerWords.focus();
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.shiftKey) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return goToComposer();
  }
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  const key = event.key.toLowerCase();
  const act = key === "/" ? () => (keys.open ? keys.close() : keys.showModal())
    : key === "k" && !event.shiftKey ? goToSearch
    : key === "c" && event.shiftKey ? () => { if (latestAnswer()) copy(latestAnswer()); }
    : null;
  if (!act) return;
  event.preventDefault();
  act();
}, true);

// Whoever listens may want an answer only when it is whole.
const whenComplete = keys.querySelector("[data-when-complete]");
try { whenComplete.checked = localStorage.getItem("when-complete") === "1"; } catch { /* It holds for this page, then. */ }
whenComplete.addEventListener("change", () => {
  try { localStorage.setItem("when-complete", whenComplete.checked ? "1" : ""); } catch { /* As above. */ }
});
