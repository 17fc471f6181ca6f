// What every page shares: light and dark, the sheets of a narrow screen, dialogs where the browser cannot open them alone.

const root = document.documentElement;

document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* It holds for this page, then. */ }
});

// A pane that lies over the page is the only thing one can reach until it is closed.
export const openSheet = () => [...document.querySelectorAll("[data-sheet]")].find(
  (pane) => `#${pane.id}` === location.hash && getComputedStyle(pane).position === "fixed");
let open = false;
let cameFrom = null;
function settleSheets() {
  const sheet = openSheet();
  for (const pane of document.querySelectorAll(".shell > *")) pane.inert = Boolean(sheet) && pane !== sheet;
  if (sheet && !open) sheet.querySelector("[data-close]").focus();
  if (!sheet && open && cameFrom?.isConnected) cameFrom.focus({ preventScroll: true });
  open = Boolean(sheet);
}
// Going to a fragment takes the focus away, so what opened the sheet is remembered when it is pressed.
document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("a, button");
  if (opener && !open) cameFrom = opener;
}, true);
addEventListener("hashchange", settleSheets);
addEventListener("resize", settleSheets);
settleSheets();

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && openSheet()) {
    location.hash = "#main";
    event.preventDefault();
  }
  if (event.key.toLowerCase() === "o" && event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    location.assign(document.querySelector("[data-new-conversation]").href);
  }
});

// `command` opens and closes a dialog without a script where the browser knows it.
if (!("commandForElement" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (!dialog) return;
    if (button.getAttribute("command") === "show-modal") dialog.showModal();
    else dialog.close();
  });
}
// A menu closes when something in it was chosen, and stands under the button that opened it, or over it at the page's foot.
document.addEventListener("click", (event) => event.target.closest?.(".menu :is(button:not([name]), a)")?.closest(".menu").hidePopover());
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (event.newState !== "open" || !menu.matches?.(".menu")) return;
  const button = document.querySelector(`[popovertarget="${menu.id}"]`).getBoundingClientRect();
  const fits = button.bottom + menu.offsetHeight + 12 < innerHeight;
  const start = root.dir === "rtl" ? button.left : button.right - menu.offsetWidth;
  menu.style.top = `${fits ? button.bottom + 4 : button.top - menu.offsetHeight - 4}px`;
  menu.style.left = `${Math.max(12, Math.min(start, innerWidth - menu.offsetWidth - 12))}px`;
}, true);
