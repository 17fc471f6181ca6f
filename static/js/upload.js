// Files from this machine into the library: chosen, dropped anywhere on the page, or pasted. One request a file, three at once.

import { figure, say } from "./sentences.js";

const AT_ONCE = 3;
const form = document.querySelector("[data-upload]");
const list = document.getElementById("uploads");
const waiting = [];
const holding = new Set(); // Told to come again later.
let running = 0;

const megabytes = (bytes) => figure(bytes / 1e6, bytes < 1e7 ? 1 : 0);
function size(bytes) {
  if (bytes < 1000) return say("bytes", { n: bytes });
  return bytes < 1e6 ? `${figure(Math.round(bytes / 1000))} kB` : `${megabytes(bytes)} MB`;
}

/** What is wrong with a file before it is sent; null when nothing is. */
function refusal(file) {
  const most = Number(form.dataset.maxBytes);
  if (file.size === 0) return say("empty");
  if (file.size > most) {
    return say("tooLarge", { n: megabytes(file.size), most: megabytes(most) });
  }
  return null;
}

/** Why the server did not take a file, when it says nothing itself. */
function fault(status) {
  if (status === 0) return say("uploadLost");
  if (status === 401 || status === 403 || status === 404) return say("uploadSignedOut");
  if (status === 413) return say("uploadTooLarge");
  if (status === 429) return say("uploadTooMany");
  return say("uploadNotTaken");
}

class Upload {
  constructor(file, name) {
    this.file = file;
    this.row = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
    this.part("name").textContent = name;
    this.part("size").textContent = size(file.size);
    this.part("bar").setAttribute("aria-label", say("uploadingFile", { name }));
    for (const act of ["cancel", "retry", "dismiss"]) {
      this.part(act).setAttribute("aria-label", `${this.part(act).title}: ${name}`);
      this.part(act).addEventListener("click", () => this[act]());
    }
    list.append(this.row);
    const wrong = refusal(file);
    if (wrong) this.fail(wrong, false);
    else this.retry();
  }

  part(name) { return this.row.querySelector(`[data-part="${name}"]`); }

  show(state, words) {
    this.row.dataset.state = state;
    this.part("words").textContent = words;
    for (const act of this.row.querySelectorAll("[data-when]")) act.hidden = !act.dataset.when.split(" ").includes(state);
  }

  retry() {
    this.part("note").textContent = "";
    this.part("bar").value = 0;
    this.show("waiting", say("waitingToBeSent"));
    waiting.push(this);
    next();
  }

  /** The server asks to come again in so many seconds: count them down, then do. */
  hold(seconds, why) {
    holding.add(this);
    this.part("bar").value = 0;
    const again = Date.now() + seconds * 1000;
    const tick = () => {
      const left = Math.ceil((again - Date.now()) / 1000);
      if (left > 0) return this.show("holding", say("triesAgain", { why, n: left }));
      this.letGo();
      this.retry();
    };
    tick();
    this.clock = setInterval(tick, 1000);
  }

  letGo() {
    clearInterval(this.clock);
    holding.delete(this);
  }

  cancel() {
    this.letGo();
    if (waiting.includes(this)) waiting.splice(waiting.indexOf(this), 1);
    this.request?.abort();
    this.row.remove();
  }

  dismiss() { this.row.remove(); }

  fail(sentence, again = true) {
    this.show(again ? "failed" : "refused", say("notTakenIn"));
    this.part("bar").value = 0;
    this.part("note").textContent = sentence;
  }

  send() {
    running += 1;
    const request = this.request = new XMLHttpRequest();
    const body = new FormData();
    const collection = form.elements.namedItem("collection");
    if (collection?.value) body.append("collection", collection.value);
    body.append("file", this.file);
    request.upload.addEventListener("progress", (event) => {
      this.part("bar").value = event.loaded / event.total;
      const words = event.loaded === event.total ? say("beingStored") : say("uploadingPart", { n: megabytes(event.loaded), all: megabytes(event.total) });
      this.show("sending", words);
    });
    request.addEventListener("load", () => this.finish(request));
    request.addEventListener("error", () => this.fail(fault(0)));
    request.addEventListener("loadend", () => { running -= 1; next(); });
    request.open("POST", form.action);
    request.setRequestHeader("X-CSRFToken", document.querySelector('meta[name="csrf-token"]').content);
    request.setRequestHeader("X-Requested-With", "fetch");
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    this.show("sending", say("uploading"));
    request.send(body);
  }

  finish(request) {
    const answer = request.response;
    if ((request.status === 200 || request.status === 201) && answer?.id) {
      if (answer.duplicate) this.show("duplicate", say("alreadyHere", { name: answer.name }));
      else if (list.dataset.keeps !== undefined) this.show("stored", say("inYourLibrary"));
      else this.row.remove();
      const detail = { id: answer.id, row: this.row, isNew: !answer.duplicate };
      document.dispatchEvent(new CustomEvent("lectern:stored", { detail }));
    } else {
      // Led elsewhere, it is the sign-in page that came.
      const status = request.responseURL === form.action ? request.status : 403;
      const patience = Number(request.getResponseHeader("Retry-After"));
      if (status === 429 && patience > 0) {
        return this.hold(patience, answer?.error?.code === "queue_full" ? say("queueFull") : say("manyFiles"));
      }
      // What is wrong with the file itself is wrong the next time too.
      this.fail(answer?.error?.reason ? `${answer.error.reason} ${answer.error.advice}` : fault(status), ![400, 413, 415].includes(status));
    }
  }
}

function next() {
  while (running < AT_ONCE && waiting.length) waiting.shift().send();
}

/** Every file in what was dropped, folders and all; what the system hides stays out. */
async function dropped(items) {
  const found = [];
  async function walk(entry, path) {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      const file = await new Promise((take, leave) => entry.file(take, leave));
      found.push([file, path + file.name]);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((take, leave) => reader.readEntries(take, leave));
      if (!some.length) return;
      for (const each of some) await walk(each, `${path}${entry.name}/`);
    }
  }
  // The list empties itself after the first pause, so everything is taken out of it at once.
  const held = [...items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  for (const each of held) {
    if (each instanceof File) found.push([each, each.name]);
    else await walk(each, "");
  }
  return found;
}

function take(files) {
  for (const [file, name] of files) new Upload(file, name);
}

if (form) {
  for (const input of form.querySelectorAll('input[type="file"]')) {
    input.multiple = true;
    input.tabIndex = -1; // The buttons beside it do the same, and can be seen.
    input.addEventListener("change", () => {
      const shown = [...input.files].filter((file) => !file.name.startsWith("."));
      take(shown.map((file) => [file, file.webkitRelativePath || file.name]));
      input.value = "";
    });
  }
  for (const button of document.querySelectorAll("button[data-choose]")) {
    const chooser = document.getElementById(button.dataset.choose); // The form may leave the page, the button may stay.
    button.addEventListener("click", () => chooser.click());
  }
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const letGo = () => { delete form.dataset.over; delete document.body.dataset.over; };
  let depth = 0;
  addEventListener("dragenter", (event) => { if (carriesFiles(event)) { depth += 1; form.dataset.over = document.body.dataset.over = ""; } });
  addEventListener("dragleave", (event) => { if (carriesFiles(event) && --depth <= 0) { depth = 0; letGo(); } });
  addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
  addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    letGo();
    take(await dropped(event.dataTransfer.items));
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files.map((file) => [file, file.name]));
  });
  addEventListener("beforeunload", (event) => { if (running || waiting.length || holding.size) event.preventDefault(); });
}
