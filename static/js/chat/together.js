// Two pages of one conversation: whoever comes back to one sees what was asked in the other.
import { isAnswering } from "./streaming.js";
import { piece } from "./wire.js";

const exchanges = document.getElementById("exchanges");
const shown = (among) => [...among.querySelectorAll(".exchange")].map((each) => each.id + each.dataset.ended).join();

async function compare() {
  const isBusy = isAnswering() || exchanges.contains(document.activeElement) || exchanges.querySelector("details.edit[open]");
  if (document.visibilityState !== "visible" || isBusy || !exchanges.childElementCount) return;
  const address = location.href;
  try {
    const answer = await fetch(address);
    if (!answer.ok || answer.redirected) return;
    const there = piece(await answer.text()).getElementById("exchanges");
    if (!there || location.href !== address || isAnswering() || shown(there) === shown(exchanges)) return;
    location.reload(); // What is begun in the composer is kept as a draft.
  } catch { /* No connection at the moment. */ }
}
document.addEventListener("visibilitychange", compare);
addEventListener("focus", compare);
