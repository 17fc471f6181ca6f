// The printer is asked at once; whoever came back by the button asks again.

document.querySelector("[data-print]").addEventListener("click", () => print());
addEventListener("load", () => print(), { once: true });
