// What was begun in a conversation's composer is still there after a reload.

const words = document.getElementById("composer").elements.namedItem("text");
const key = () => `draft:${location.pathname}`;

/** The question is on its way: what was kept of it goes. */
export function forgetDraft() {
  sessionStorage.removeItem(key());
}

words.value ||= sessionStorage.getItem(key()) ?? "";
words.addEventListener("input", () => sessionStorage.setItem(key(), words.value));
