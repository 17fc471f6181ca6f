// A question is edited in its place. Enter asks it, Escape leaves it as it was.

document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details.edit") || !event.target.open) return;
  const words = event.target.querySelector("textarea");
  words.focus();
  words.setSelectionRange(words.value.length, words.value.length);
}, true);

function leave(details) {
  details.querySelector("form").reset();
  details.open = false;
  details.querySelector("summary").focus();
}
document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-leave]")) leave(event.target.closest("details"));
});
document.addEventListener("keydown", (event) => {
  if (!event.target.matches?.(".edit textarea")) return;
  if (event.key === "Escape") {
    event.preventDefault();
    leave(event.target.closest("details"));
  } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});
