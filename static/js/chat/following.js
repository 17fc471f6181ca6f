// The page follows the answer only for somebody who is at its end.

const talk = document.getElementById("talk");
const down = document.getElementById("to-latest");
const atTheEnd = () => talk.scrollHeight - talk.scrollTop - talk.clientHeight < 48;
const toTheEnd = () => { talk.scrollTop = talk.scrollHeight; };
let follows = true;
let isAnswering = false;

const settle = () => { down.hidden = !isAnswering || follows; };
export function follow() { if (follows) toTheEnd(); }
export function goToTheEnd() { follows = true; toTheEnd(); settle(); }
/** While an answer comes, whoever reads further up is offered the way down. */
export function whileAnswering(is) { isAnswering = is; settle(); }

talk.addEventListener("scroll", () => { follows = atTheEnd(); settle(); }, { passive: true });
down.addEventListener("click", (event) => { event.preventDefault(); goToTheEnd(); });
