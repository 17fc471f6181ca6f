// A citation shows its words on hover and on focus; the pointer may move into them, Escape closes (WCAG 1.4.13).

let peek = null;
export const isPeeking = () => peek !== null;
export function hide() {
  peek?.box.hidePopover();
  peek?.chip.removeAttribute("aria-describedby");
  peek = null;
}
function peekAt(chip) {
  const box = document.getElementById(chip.dataset.peek);
  if (!box || peek?.chip === chip) return;
  hide();
  box.showPopover();
  chip.setAttribute("aria-describedby", box.id);
  const at = chip.getBoundingClientRect();
  const below = at.bottom + box.offsetHeight + 12 < innerHeight;
  box.style.left = `${Math.max(12, Math.min((document.dir === "rtl" ? at.right + 16 - box.offsetWidth : at.left - 16), innerWidth - box.offsetWidth - 12))}px`;
  box.style.top = `${below ? at.bottom + 6 : at.top - box.offsetHeight - 6}px`;
  peek = { chip, box };
}
// A sign's note is opened by a click too, which is all a touch screen has; without script the browser opens it itself.
document.addEventListener("click", (event) => {
  const sign = event.target.closest?.("button[data-peek]");
  if (sign) event.preventDefault();
  if (sign) peekAt(sign);
  else if (peek?.chip.matches("button") && !peek.box.contains(event.target)) hide();
});
document.addEventListener("mouseover", (event) => {
  const chip = event.target.closest?.("[data-peek]");
  if (chip) peekAt(chip);
});
document.addEventListener("mouseout", (event) => {
  if (!peek || !(peek.chip.contains(event.target) || peek.box.contains(event.target))) return;
  setTimeout(() => { if (peek && !peek.box.matches(":hover") && !peek.chip.matches(":hover, :focus-visible")) hide(); }, 120);
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-peek]") && event.target.matches(":focus-visible")) peekAt(event.target);
});
document.addEventListener("focusout", (event) => { if (event.target === peek?.chip) hide(); });
document.getElementById("talk").addEventListener("scroll", hide, { passive: true });
