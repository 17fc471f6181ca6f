// What was begun in a conversation's composer is still there after a reload, and after the browser was closed.

const composer = document.getElementById("composer");
const words = composer.elements.namedItem("text");
const key = () => `draft:${composer.dataset.user}:${location.pathname}`;

/** The storage may be closed to us: then a draft lasts as long as its page. */
function withStorage(act) {
  try { return act(localStorage); } catch { return null; }
}

/** The question is on its way: what was kept of it goes. */
export function forgetDraft() {
  withStorage((storage) => storage.removeItem(key()));
}

words.value ||= withStorage((storage) => storage.getItem(key())) ?? "";
words.addEventListener("input", () => withStorage((storage) => {
  if (words.value) storage.setItem(key(), words.value);
  else storage.removeItem(key());
}));
