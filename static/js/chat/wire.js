// What the conversation's modules share: sending a form, making elements of what comes back, and saying it aloud.
import { say } from "../sentences.js";

const announcement = document.getElementById("announce");
const trouble = document.getElementById("composer-trouble");

export const announce = (text) => { announcement.textContent = text; };
export const piece = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content;
};
export const copyOf = (id) => document.getElementById(id).content.cloneNode(true);
export const ours = () => ({
  "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content, "X-Requested-With": "fetch",
});

/** Say beside the composer what went wrong; "" takes it away. */
export function complain(sentence) {
  trouble.querySelector("p").textContent = sentence;
  trouble.hidden = !sentence;
}

/** Send a form's fields; JSON comes back, or a plain sentence is thrown. */
export async function post(url, body = new FormData()) {
  let answer;
  try {
    answer = await fetch(url, { method: "POST", body, headers: { ...ours(), Accept: "application/json" } });
  } catch {
    throw new Error(say("lost"));
  }
  const said = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : null;
  if (answer.ok && said) return said;
  if (answer.redirected) { location.assign(answer.url); return new Promise(() => {}); }
  const fields = Object.values(said?.errors ?? {}).flat().map((each) => each.message ?? each);
  throw new Error(said?.error?.reason ?? said?.error?.message ?? (fields.join(" ") || faultOf(answer.status)));
}
function faultOf(status) {
  if (status === 403) return say("signedOut");
  if (status === 404) return say("gone");
  if (status === 429) return say("tooMany");
  return say("notTaken");
}
