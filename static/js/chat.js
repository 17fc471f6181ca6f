// The conversation: a question is asked, its answer is read as it is written, and the page behind each sentence opens beside it.
import { goToTheEnd } from "./chat/following.js";
import { hide, isPeeking } from "./chat/peek.js";
import { showSources } from "./chat/sources.js";
import { isAnswering, read, stop } from "./chat/streaming.js";
import { openSheet } from "./shell.js";
import "./chat/shortcuts.js";
import "./chat/drafts.js";
import "./chat/asking.js";
import "./chat/editing.js";
import "./chat/opinions.js";
import "./chat/arriving.js";
import "./chat/together.js";
import "./chat/first_run.js";
import "./chat/next.js";
import "./chat/scope.js";
import "./meter.js";
import "./upload.js";

// In the order of what lies on top: the words of a citation, a sheet or dialog, and only then the answer.
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.shiftKey) return;
  if (isPeeking()) { hide(); event.preventDefault(); }
  else if (isAnswering() && !openSheet() && !document.querySelector("dialog[open], .menu:popover-open")) stop();
}, true);

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-go-on]")) read(event.target.closest(".exchange"));
});

const exchanges = document.getElementById("exchanges");
const latest = exchanges.lastElementChild;
if (latest) {
  const wanted = document.getElementById(location.hash.slice(1))?.closest(".exchange"); // a version, or what was found
  if (wanted) wanted.scrollIntoView();
  else goToTheEnd();
  showSources(wanted ?? latest);
  const running = exchanges.querySelector("[data-stream]");
  if (running) read(running);
}
