// The library: what was sent is asked after, and the table is drawn anew when something has arrived.
import "./upload.js";

document.addEventListener("lectern:stored", () => htmx.trigger("#coming", "refresh"));

const status = document.getElementById("coming-status");
const underWay = () => Number(document.getElementById("coming")?.dataset.underWay ?? 0);
let before = underWay();
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "coming") return;
  const summary = event.target.dataset.summary;
  // Said once for each change, not every two seconds.
  if (status.textContent.trim() !== summary) status.textContent = summary;
  document.getElementById("coming-head").hidden = !event.target.childElementCount;
  if (underWay() !== before) htmx.trigger("#documents", "refresh");
  before = underWay();
});

// Signed out meanwhile, it is the sign-in page that comes: it gets the whole window.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, pathInfo } = event.detail;
  if (new URL(xhr.responseURL).pathname === new URL(pathInfo.requestPath, location).pathname) return;
  event.detail.shouldSwap = false;
  location.reload();
});
