// An answer goes to the clipboard with its sources.
import { say } from "../sentences.js";
import { announce, complain } from "./wire.js";

/** The answer as text: numbers in brackets, and the sources with their addresses below. */
function plain(exchange) {
  const text = exchange.querySelector(".answer").cloneNode(true);
  for (const sign of text.querySelectorAll(".why, .mark, .hidden-text")) sign.remove();
  for (const chip of text.querySelectorAll(".cite")) chip.textContent = ` [${chip.textContent.trim()}]`;
  const sources = [...exchange.querySelector("template[data-sources]").content.querySelectorAll(".cited a")]
    .map((link) => `[${link.dataset.number}] ${link.title}: ${new URL(link.getAttribute("href"), location)}`);
  const lines = [...text.querySelectorAll("p:not(li p), li, tr, pre, h1, h2, h3, h4")].map((line) => {
    if (line.matches("tr")) return [...line.cells].map((cell) => cell.textContent.trim()).join("\t");
    return (line.matches("li") ? "- " : "") + line.textContent.trim();
  });
  return [lines.join("\n"), sources.join("\n")].join("\n\n");
}

/** The answer one is at, or the last one that has an end. */
export function latestAnswer() {
  const all = [...document.querySelectorAll(".exchange:has([data-copy])")];
  return document.activeElement?.closest(".exchange:has([data-copy])") ?? all.at(-1);
}

export async function copy(exchange) {
  try {
    await navigator.clipboard.writeText(plain(exchange)); // Only an origin that is secure has a clipboard.
    announce(say("copied"));
    exchange.querySelector("[data-copy]").dataset.done = "";
    setTimeout(() => { delete exchange.querySelector("[data-copy]")?.dataset.done; }, 2000);
  } catch {
    complain(say("notCopied"));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) copy(button.closest(".exchange"));
});
