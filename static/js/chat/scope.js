// What is searched: chips in the composer, taken away one by one, and a dialog to choose collections and documents in.
import { announce, copyOf, ours } from "./wire.js";

const PAUSE = 250; // milliseconds without a key, before names are searched
const scope = document.getElementById("scope");
const opener = scope.querySelector("[data-choose-open]");
const dialog = document.getElementById("choose");
const chips = () => [...scope.querySelectorAll('input[type="checkbox"]')];
let timer = 0;

/** The address of what can be chosen, with what is chosen now. */
function address(part) {
  const url = new URL(opener.href);
  url.search = new URLSearchParams([["part", part], ["scope", "chosen"], ...chips().map((chip) => [chip.name, chip.value])]);
  return url;
}

async function fetched(url) {
  const answer = await fetch(url, { headers: ours() });
  if (!answer.ok || answer.redirected) throw new Error(answer.status);
  return answer.text();
}

function changed() {
  scope.dispatchEvent(new Event("change", { bubbles: true })); // The meter counts anew.
}

function drop(chip) {
  chip.closest("label").remove();
  changed();
}

function add(name, value, words) {
  if (chips().some((chip) => chip.name === name && chip.value === value)) return;
  const fresh = copyOf(`chip-${name}`).firstElementChild;
  fresh.querySelector("input").value = value;
  fresh.querySelector(".clip").textContent = words;
  opener.before(fresh);
  changed();
}

// Whoever drops a file here wants to ask it: where not everything is searched, it is searched too.
document.addEventListener("lectern:stored", (event) => {
  const { id, row } = event.detail;
  if (!chips().length) return;
  const name = row.querySelector('[data-part="name"]').textContent;
  add("documents", id, name.replace(/^.*\//, "").replace(/\.\w+$/, ""));
});

scope.addEventListener("change", (event) => {
  if (!event.target.matches("input") || event.target.checked) return;
  announce(event.target.closest("label").textContent.trim());
  drop(event.target);
  opener.focus();
});

opener.addEventListener("click", async (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  try {
    dialog.innerHTML = await fetched(address("all"));
    dialog.showModal();
  } catch {
    location.assign(opener.href);
  }
});

dialog.addEventListener("change", (event) => {
  const box = event.target;
  if (!box.matches('input[type="checkbox"]')) return;
  const chip = chips().find((each) => each.name === box.name && each.value === box.value);
  if (box.checked) add(box.name, box.value, box.dataset.words);
  if (!box.checked && chip) drop(chip);
});

dialog.addEventListener("input", (event) => {
  if (!event.target.matches('input[type="search"]')) return;
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const url = address("list");
    url.searchParams.set("q", event.target.value);
    try {
      const list = await fetched(url);
      const place = dialog.querySelector("[data-offered]");
      // What was ticked in the list before stays in sight.
      place.before(...[...place.querySelectorAll(".pick")].filter((pick) => pick.querySelector(":checked")));
      place.innerHTML = list;
    } catch { /* The list stays as it is; the next key asks again. */ }
  }, PAUSE);
});

dialog.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!event.submitter?.matches("[data-choose-done]")) return;
  scope.querySelector('[name="scope"]')?.remove(); // Chosen by hand, nothing means everything.
  document.getElementById("scope-gone")?.remove();
  dialog.close();
  opener.focus();
});
dialog.addEventListener("close", () => dialog.replaceChildren()); // Made anew the next time, by what is chosen then.
