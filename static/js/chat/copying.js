// An answer goes to the clipboard with its sources.
import { say } from "../sentences.js";
import { announce } from "./wire.js";

/** The answer as text: numbers in brackets, and the sources with their addresses below. */
function plain(exchange) {
  const text = exchange.querySelector(".answer").cloneNode(true);
  for (const chip of text.querySelectorAll(".cite")) chip.textContent = ` [${chip.textContent.trim()}]`;
  const sources = [...exchange.querySelector("template[data-sources]").content.querySelectorAll(".cited a")]
    .map((link) => `[${link.dataset.number}] ${link.title}: ${new URL(link.getAttribute("href"), location)}`);
  const lines = [...text.querySelectorAll("p:not(li p), li, tr, pre, h1, h2, h3, h4")].map((line) => {
    if (line.matches("tr")) return [...line.cells].map((cell) => cell.textContent.trim()).join("\t");
    return (line.matches("li") ? "- " : "") + line.textContent.trim();
  });
  return [lines.join("\n"), sources.join("\n")].join("\n\n");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(plain(button.closest(".exchange")));
  announce(say("copied"));
});
