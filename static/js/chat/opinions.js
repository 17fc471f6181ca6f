// A thumb on an answer, and why, or on one of its sources: kept without leaving the page.
import { say } from "../sentences.js";
import { announce, complain, ours, piece } from "./wire.js";

/** A source stands in the panel and in what the panel is filled from. */
function placesOf(place) {
  const { citation } = place.dataset;
  if (!citation) return [place];
  const kept = [...document.querySelectorAll("template[data-sources]")]
    .map((sources) => sources.content.querySelector(`[data-citation="${citation}"]`));
  return [place, ...kept.filter(Boolean)];
}

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-opinion]")) return;
  event.preventDefault();
  const place = event.target.closest("[data-after], [data-citation]");
  const thumb = event.submitter?.dataset.thumb;
  const answer = await fetch(event.target.action, {
    method: "POST", headers: ours(), body: new FormData(event.target, event.submitter),
  }).catch(() => null);
  if (!answer?.ok || answer.redirected) return complain(say("notNoted"));
  const fresh = piece(await answer.text()).firstElementChild;
  for (const each of placesOf(place)) each.replaceWith(each === place ? fresh : fresh.cloneNode(true));
  if (!thumb) fresh.querySelector(".opinion")?.removeAttribute("open");
  fresh.querySelector(thumb ? `[data-thumb="${thumb}"]` : ".opinion summary")?.focus();
  fresh.querySelector(".opinion[open]")?.scrollIntoView({ block: "nearest" });
  announce(say("noted"));
});
