// The first page, while documents are still being read: what can be asked appears by itself.
import { piece } from "./wire.js";

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
