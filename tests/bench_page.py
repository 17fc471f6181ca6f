"""The conversation in a real browser: how soon a page shows that it works, and how soon a stop reaches the model."""

from __future__ import annotations

import shutil
import statistics
import time

from tests.fake_openai import FakeOpenAI, Reply
from tests.stack import Stack

QUESTIONS = 8
RULES = b"# House rules\n\nThe rent is due on the third working day of the month.\n"
WATCH = """() => {
  window.times = {};
  const now = () => performance.timeOrigin + performance.now();
  const note = (name) => { window.times[name] ??= now(); };
  const look = () => {
    const last = document.querySelector("#exchanges .exchange:last-child");
    if (last?.querySelector(".stages li")) note("stage");
    if (last?.querySelector(".stages [data-stage=answering]")) note("answering");
    if (last?.querySelector(".answer")?.textContent.trim()) note("words");
    if (last?.dataset.ended) note("ended");
  };
  addEventListener("keydown", (event) => {
    if (event.key === "Enter") { window.times = {}; note("sent"); }
    if (event.key === "Escape") note("stopped");
  }, true);
  new MutationObserver(() => { if (window.times.sent) look(); }).observe(
    document.body, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


def bench_page() -> None:
    """Milliseconds from Enter to the first stage and the first words, from Escape to the model and to the page."""
    browser_path = shutil.which("chromium")
    if browser_path is None:
        print("page: there is no chromium on this machine")
        return
    from playwright.sync_api import sync_playwright

    with FakeOpenAI() as service, sync_playwright() as playwright:
        named = {"OPENAI_BASE_URL": f"{service.url}/v1", "OPENAI_API_KEY": "secret", "OPENAI_CHAT_MODEL": "gpt-test"}
        with Stack(**named, LECTERN_SUGGESTIONS="no", LECTERN_REWRITE="rules") as lectern:
            lectern.ended(lectern.upload(RULES, "rules.md"))
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            page.goto(lectern.manage("signin_link").strip().splitlines()[-1])
            page.evaluate(WATCH)
            measured = [_once(page, service, at) for at in range(QUESTIONS)][1:]  # The first fills caches.
            browser.close()
    for name in measured[0]:
        values = sorted(each[name] for each in measured)
        print(f"page: {name:<28} median {statistics.median(values):6.0f} ms, most {values[-1]:6.0f} ms")


def _once(page, service: FakeOpenAI, at: int) -> dict[str, float]:
    service.replies = [Reply(["The rent is due on the third working day. [1] ", *["More. "] * 600], pause_s=0.02)]
    service.closed_early.clear()
    page.get_by_label("Your question").fill(f"When is the rent due, question {at}?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".exchange:last-child[data-stream] .answer >> text=third working day")
    pressed = time.time()
    page.keyboard.press("Escape")
    assert service.closed_early.wait(10)
    reached = time.time()
    page.wait_for_selector(".exchange[data-answer]:last-child:not([data-stream])")
    times = page.evaluate("window.times")
    return {
        "Enter to the first stage": times["stage"] - times["sent"],
        "Enter to passages read": times["answering"] - times["sent"],
        "Enter to the first words": times["words"] - times["sent"],
        "Escape until the model stops": (reached - pressed) * 1000,
        "Escape until the page says so": times["ended"] - times["stopped"],
    }


if __name__ == "__main__":
    bench_page()
