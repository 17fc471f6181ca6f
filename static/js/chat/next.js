// What could be asked next comes after the answer, when it has been made; nobody waits for it.
import { follow } from "./following.js";
import { ours } from "./wire.js";

const exchanges = document.getElementById("exchanges");

async function look() {
  const place = exchanges.lastElementChild?.querySelector("[data-next]");
  const url = place?.dataset.next;
  if (!url) return;
  place.dataset.next = "";
  try {
    const answer = await fetch(url, { headers: ours() });
    if (!answer.ok || answer.redirected || !place.isConnected) return;
    place.innerHTML = await answer.text();
    follow();
  } catch { /* No connection: the answer stands without it. */ }
}
new MutationObserver(look).observe(exchanges, { childList: true });
look();
