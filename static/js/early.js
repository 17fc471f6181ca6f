// What must be known before the first paint: that there is a script, and light or dark, kept on this machine.
document.documentElement.dataset.script = "";
try {
  const kept = localStorage.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
} catch { /* Storage is closed to us: the system's own theme holds. */ }
