// Files dropped into the conversation: each row goes on to tell how far its document is, until it can be asked.
import { announce } from "./wire.js";

const list = document.getElementById("uploads");
const rows = new Map(); // by the document's id
let timer = 0;

/** The library's own list knows each document's steps; what it says of ours is shown in our row. */
async function look() {
  let told = null;
  try {
    const answer = await fetch(list.dataset.coming, { headers: { "X-Requested-With": "fetch" } });
    if (answer.ok && !answer.redirected) told = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch { /* No connection at the moment: asked again. */ }
  if (told) for (const [id, row] of rows) tell(id, row, told.getElementById(`coming-${id}`)?.closest("li"));
  if (rows.size) timer = setTimeout(look, 1500);
}

function tell(id, row, said) {
  if (!said || !row.isConnected) return rows.delete(id);
  const state = said.querySelector(".stage");
  const words = row.querySelector('[data-part="words"]');
  row.querySelector('.way, [data-part="bar"]').replaceWith(document.importNode(said.querySelector(".way"), true));
  words.textContent = state.textContent.trim();
  if (!state.matches(".state--good, .state--caution, .state--bad")) return;
  rows.delete(id);
  const note = said.querySelector(".coming__note");
  if (note) row.append(document.importNode(note, true));
  row.dataset.ended = "";
  announce(`${said.querySelector(".file__name").textContent}: ${words.textContent}`);
  document.dispatchEvent(new CustomEvent("lectern:arrived", { detail: { id } }));
}

document.addEventListener("lectern:stored", (event) => {
  const { id, row, isNew } = event.detail;
  if (!isNew) return;
  rows.set(id, row);
  clearTimeout(timer);
  look();
});
