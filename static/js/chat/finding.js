// The list of conversations follows what is typed into its search.

const form = document.querySelector("[data-search]");
const words = form.elements.namedItem("q");
const list = document.getElementById("conversation-list");
let timer = 0;
let asked = null;

/** Whether the list shows what was found, and not everything. */
export const isSearching = () => words.value.trim() !== "";

async function search() {
  asked?.abort();
  asked = new AbortController();
  try {
    const here = location.pathname.split("/")[2] ?? ""; // The conversation that is open is marked in the list.
    const answer = await fetch(`${form.action}?${new URLSearchParams({ q: words.value, here })}`, {
      headers: { "X-Requested-With": "fetch" }, signal: asked.signal,
    });
    if (answer.ok && !answer.redirected) list.innerHTML = await answer.text();
  } catch { /* A later key has asked anew, or the connection is gone: the list stays as it is. */ }
}

words.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
words.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "Enter") {
    const first = list.querySelector("a");
    if (!first) return;
    event.preventDefault();
    if (event.key === "Enter" && isSearching()) first.click();
    else first.focus();
  }
});
