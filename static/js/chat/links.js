// The address of a link goes to the clipboard.

const button = document.querySelector("[data-copy-link]");
button?.addEventListener("click", async () => {
  const field = document.getElementById(button.dataset.copyLink);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.dataset.done = "";
  } catch { /* It is selected: one more key copies it. */ }
});
