// The page follows the answer only for somebody who is at its end.

const talk = document.getElementById("talk");
const down = document.getElementById("to-latest");
const atTheEnd = () => talk.scrollHeight - talk.scrollTop - talk.clientHeight < 48;
const toTheEnd = () => { talk.scrollTop = talk.scrollHeight; last = talk.scrollTop; };
let follows = true;
let last = 0; // where the page was when it was last looked at
let isAnswering = false;

const settle = () => { down.hidden = !isAnswering || follows; };
/** Whoever has moved up is let go at once: the browser tells of it with its next picture, and more words may be first. */
export function follow() {
  if (talk.scrollTop < last - 1) follows = false;
  if (follows) toTheEnd(); else settle();
}
export function goToTheEnd() { follows = true; toTheEnd(); settle(); }
/** While an answer comes, whoever reads further up is offered the way down. */
export function whileAnswering(is) { isAnswering = is; settle(); }

talk.addEventListener("scroll", () => { follows = atTheEnd(); last = talk.scrollTop; settle(); }, { passive: true });
down.addEventListener("click", (event) => { event.preventDefault(); goToTheEnd(); });
