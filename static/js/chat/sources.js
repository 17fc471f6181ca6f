// The panel beside the answer: what it cites, how it was made, and the page behind each number.
import { show } from "../viewer.js";
import { hide } from "./peek.js";

const panel = document.getElementById("sources");
const cited = document.getElementById("cited");
const viewer = panel.querySelector(".viewer");
const noPageOpen = viewer.innerHTML;
let shown = null; // the exchange whose sources the panel lists

export function showSources(exchange) {
  const sources = exchange.querySelector("template[data-sources]");
  if (shown === exchange || !sources) return;
  shown = exchange;
  const [list, made] = sources.content.cloneNode(true).children;
  cited.replaceChildren(...list.childNodes);
  document.getElementById("made").replaceChildren(...made.childNodes);
  document.getElementById("sources-count").textContent = cited.querySelectorAll("li").length || "";
  viewer.innerHTML = noPageOpen;
  delete viewer.dataset.page;
  // Where the panel stands open anyway, the first source is on it already.
  const first = cited.querySelector("a[data-panel]");
  if (first && getComputedStyle(panel).position !== "fixed") open(first, false);
}

/** Open the page behind a link; the number one came by carries the light, others of that page half of it. */
export function open(link, asked = true) {
  const exchange = link.closest(".exchange");
  if (exchange) showSources(exchange);
  const within = shown ?? document;
  const chip = link.matches(".cite") ? link : within.querySelector(`.cite[data-panel="${CSS.escape(link.dataset.panel)}"]`);
  const mark = link.dataset.mark ?? chip?.dataset.mark;
  for (const each of document.querySelectorAll(".cite, .cited a")) {
    const samePage = each.dataset.panel === link.dataset.panel && (!each.matches(".cite") || within.contains(each));
    each.toggleAttribute("data-near", samePage && each.matches(".cite") && each !== chip);
    if (samePage && (each === chip || each.matches(".cited a"))) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  if (asked && getComputedStyle(panel).display === "none") location.hash = "#sources";
  show(viewer, link.dataset.panel, mark);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-panel]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  hide();
  open(link);
});
