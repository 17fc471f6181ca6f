// What was begun in a conversation's composer is still there after a reload, and after the browser was closed.

const composer = document.getElementById("composer");
const words = composer.elements.namedItem("text");
const key = () => `draft:${composer.dataset.user}:${location.pathname}`;

/** Each page keeps its own; what was begun last is there for a page that is opened later. */
function inBoth(act) {
  for (const storage of ["sessionStorage", "localStorage"]) {
    try { act(window[storage]); } catch { /* It is closed to us: then a draft lasts as long as its page. */ }
  }
}

const sent = [...document.querySelectorAll(".exchange .ask")].at(-1)?.textContent; // The page was left while it went.
inBoth((storage) => { if (storage.getItem(key()) !== sent) words.value ||= storage.getItem(key()) ?? ""; });
let own = words.value;
words.addEventListener("input", () => {
  inBoth((storage) => {
    if (words.value) storage.setItem(key(), words.value);
    else if (storage.getItem(key()) === own) storage.removeItem(key()); // What another page has begun stays.
  });
  own = words.value;
});
