// The meter of the composer: while one types, the server says how much of the model's room the question will take.

const PAUSE = 400; // milliseconds without a key, before it is asked
const composer = document.getElementById("composer");
const words = composer.elements.namedItem("text");
const meter = document.getElementById("meter");
const announcement = document.getElementById("announce");
let timer = 0;
let asked = null;
let level = "normal";

function draw(html) {
  meter.innerHTML = html;
  meter.hidden = !html;
  const drawn = meter.querySelector("[data-level]");
  const now = drawn?.dataset.level ?? "normal";
  if (now !== level && now !== "normal") announcement.textContent = drawn.getAttribute("aria-valuetext");
  level = now;
}

async function estimate() {
  asked?.abort();
  if (!words.value.trim()) return draw("");
  asked = new AbortController();
  try {
    const answer = await fetch(composer.action + meter.dataset.part, {
      method: "POST", body: new FormData(composer), signal: asked.signal,
      headers: { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content },
    });
    draw(answer.status === 200 && !answer.redirected ? await answer.text() : "");
  } catch {
    // A later key has asked anew, or the connection is gone, which asking itself will say.
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(estimate, words.value.trim() ? PAUSE : 0);
}
if (meter) {
  words.addEventListener("input", soon);
  composer.addEventListener("change", soon);
  if (words.value) soon();
}
