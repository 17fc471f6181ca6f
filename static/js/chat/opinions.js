// A thumb, and why: kept without leaving the page.
import { say } from "../sentences.js";
import { announce, complain, ours, piece } from "./wire.js";

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("[data-opinion]")) return;
  event.preventDefault();
  const place = event.target.closest("[data-after]");
  const thumb = event.submitter?.dataset.thumb;
  const answer = await fetch(event.target.action, {
    method: "POST", headers: ours(), body: new FormData(event.target, event.submitter),
  }).catch(() => null);
  if (!answer?.ok || answer.redirected) return complain(say("notNoted"));
  const fresh = piece(await answer.text()).firstElementChild;
  place.replaceWith(fresh);
  if (!thumb) fresh.querySelector(".opinion")?.removeAttribute("open");
  fresh.querySelector(thumb ? `[data-thumb="${thumb}"]` : ".opinion summary")?.focus();
  fresh.querySelector(".opinion[open]")?.scrollIntoView({ block: "nearest" });
  announce(say("noted"));
});
