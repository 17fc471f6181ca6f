// A button that needs a name typed sleeps until the name is right. The server asks for it all the same.

function settle(field) {
  const button = field.form.querySelector("button");
  button.disabled = field.value.trim() !== field.dataset.must;
}

for (const field of document.querySelectorAll("[data-must]")) settle(field);
document.addEventListener("input", (event) => {
  if (event.target.matches?.("[data-must]")) settle(event.target);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const field of document.querySelectorAll("[data-must]")) settle(field);
});
