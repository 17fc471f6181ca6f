// A page beside the answer: fetched as a piece, scrolled to the words that are lit, made larger and smaller.

const STEPS = [0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3];

function zoomTo(viewer, zoom) {
  viewer.style.setProperty("--zoom", zoom);
  viewer.dataset.zoom = zoom;
  viewer.querySelector("[data-zoom-shown]").textContent = `${Math.round(zoom * 100)} %`;
  light(viewer, viewer.dataset.mark); // The words stay in view.
}

/** Make the whole page fit the frame it stands in, never larger than the frame is wide. */
function fit(viewer) {
  const frame = viewer.querySelector(".viewer__page");
  const page = frame.querySelector(".page");
  const zoom = Number(viewer.dataset.zoom ?? 1);
  const room = frame.clientHeight - 24;
  zoomTo(viewer, page.matches("svg") ? Math.min(1, (zoom * room) / page.getBoundingClientRect().height) : 1);
}

/** Full light for the marks one came by ("0 2"), half for the others; without such all stand in full light. */
export function light(viewer, mark) {
  if (mark === undefined) delete viewer.dataset.mark;
  else viewer.dataset.mark = mark;
  const marks = [...viewer.querySelectorAll(".lit")];
  const came = String(mark ?? "").split(" "); // A sentence may rest on several, and words may be lit for several.
  const isOf = (each) => each.dataset.mark.split(" ").some((number) => came.includes(number));
  const known = marks.some(isOf);
  for (const each of marks) each.classList.toggle("lit--near", known && !isOf(each));
  const first = marks.find((each) => !known || isOf(each));
  const frame = viewer.querySelector(".viewer__page");
  if (!first || !frame) return;
  const words = first.getBoundingClientRect();
  const room = frame.getBoundingClientRect();
  frame.scrollTop += words.top - room.top - room.height / 3;
  frame.scrollLeft += words.left - room.left - Math.max(16, (room.width - words.width) / 2);
}

let wanted = 0;
let within = false; // The address came from a link inside the viewer: a neighbour, or the newer version.

/** From a page one turned to, the way back to the words one came for. */
function offerBack(viewer) {
  const back = viewer.querySelector("[data-back]");
  if (back) back.hidden = !viewer.dataset.from || viewer.dataset.from === viewer.dataset.page;
}

/** Put the page of that address into the viewer and light its words; what is asked for last is what is shown. */
export async function show(viewer, url, mark) {
  if (!within) {
    delete viewer.dataset.from;
    delete viewer.dataset.fromMark;
  } else if (!viewer.dataset.from && viewer.dataset.page) {
    viewer.dataset.from = viewer.dataset.page;
    if (viewer.dataset.mark !== undefined) viewer.dataset.fromMark = viewer.dataset.mark;
  }
  within = false;
  if (!url) {
    delete viewer.dataset.page;
    wanted += 1;
    return viewer.replaceChildren(document.getElementById("page-gone").content.cloneNode(true));
  }
  if (viewer.dataset.page === url) return light(viewer, mark);
  const mine = ++wanted;
  viewer.dataset.page = url;
  const grey = document.getElementById("page-waiting").content;
  viewer.replaceChildren(grey.cloneNode(true));
  viewer.setAttribute("aria-busy", "true");
  let piece = null;
  try {
    const answer = await fetch(url, { headers: { "X-Requested-With": "fetch" } });
    // Led elsewhere, it is the sign-in page that comes.
    if (!answer.redirected && (answer.ok || answer.status === 404)) piece = await answer.text();
  } catch { /* No connection: said below. */ }
  if (mine !== wanted) return;
  viewer.removeAttribute("aria-busy");
  if (piece === null) {
    viewer.replaceChildren(document.getElementById("page-unreachable").content.cloneNode(true));
    delete viewer.dataset.page;
    return;
  }
  viewer.innerHTML = piece;
  if (viewer.dataset.zoom && viewer.querySelector("[data-zoom-shown]")) zoomTo(viewer, Number(viewer.dataset.zoom));
  light(viewer, mark);
  offerBack(viewer);
}

// Before anybody answers the click, so that `show` knows where it came from.
document.addEventListener("click", (event) => {
  within = Boolean(event.target.closest?.(".viewer [data-panel]"));
}, true);

const KEYS = { "+": "+", "=": "+", "-": "-", 0: "fit" };

document.addEventListener("keydown", (event) => {
  const frame = event.target.closest?.(".viewer__page");
  if (!frame || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const viewer = frame.closest(".viewer");
  const turns = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const scrolls = frame.scrollWidth > frame.clientWidth + 1 || event.target !== frame;
  const press = KEYS[event.key]
    ? viewer.querySelector(`[data-zoom-by="${KEYS[event.key]}"]`)
    : turns && !scrolls && viewer.querySelector(`[rel="${turns}"]`);
  if (!press) return;
  event.preventDefault();
  press.click();
});

document.addEventListener("click", (event) => {
  const back = event.target.closest?.("[data-back]")?.closest(".viewer");
  if (back) {
    within = true;
    show(back, back.dataset.from, back.dataset.fromMark);
  }
  const button = event.target.closest?.("[data-zoom-by]");
  const viewer = button?.closest(".viewer");
  if (!viewer) return;
  const now = Number(viewer.dataset.zoom ?? 1);
  if (button.dataset.zoomBy === "fit") fit(viewer);
  else if (button.dataset.zoomBy === "+") zoomTo(viewer, STEPS.find((step) => step > now + 0.01) ?? STEPS.at(-1));
  else zoomTo(viewer, STEPS.findLast((step) => step < now - 0.01) ?? STEPS[0]);
});
