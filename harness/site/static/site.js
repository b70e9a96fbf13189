// Keys, copying, filters, and renewing. Everything on the pages is there without it, too.
"use strict";

function setUp(root) {
  root.querySelectorAll(".copy").forEach(setUpCopy);
  root.querySelectorAll(".filter").forEach(setUpFilter);
  for (const scroll of root.querySelectorAll(".scroll.end")) scroll.scrollLeft = scroll.scrollWidth;
}

function setUpCopy(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch {
      // No leave to write there: select it, so that a key does.
      getSelection().selectAllChildren(code);
      button.textContent = "press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });
}

function setUpFilter(filter) {
  const rows = [...filter.parentElement.querySelectorAll(".grid tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const input = filter.querySelector("input");
  const count = filter.querySelector(".filter-count");
  filter.hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, at) => {
      row.hidden = !words.every((word) => texts[at].includes(word));
      shown += !row.hidden;
    });
    count.textContent = words.length ? `${shown} of ${rows.length}` : "";
  });
}

function goTo(step) {
  const failures = [...document.querySelectorAll("[data-failure]")];
  if (!failures.length) return;
  const here = failures.findIndex((card) => card.classList.contains("here"));
  failures[here]?.classList.remove("here");
  const card = failures[Math.min(Math.max(here + step, 0), failures.length - 1)];
  card.classList.add("here");
  card.scrollIntoView({ block: "nearest" });
  card.querySelector("a")?.focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input")) return;
  if (event.key === "n") goTo(1);
  else if (event.key === "p") goTo(-1);
  else if (event.key === "/") {
    const input = document.querySelector(".filter-text");
    if (!input) return;
    input.focus();
    event.preventDefault();
  }
});

// -- pages of flights that run, when they are served -------------------------------------

function renew(seconds) {
  const pause = document.getElementById("pause");
  pause.hidden = false;
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") !== "true";
    pause.setAttribute("aria-pressed", String(paused));
  });
  const timer = setInterval(async () => {
    const main = document.querySelector("main");
    const busy = main.contains(document.activeElement) || String(getSelection());
    if (pause.getAttribute("aria-pressed") === "true" || document.hidden || busy) return;
    const next = await load();
    if (!next) return;
    const opened = [...main.querySelectorAll("details")].map((one) => one.open);
    const fresh = next.querySelector("main");
    fresh.querySelectorAll("details").forEach((one, at) => { one.open = opened[at] ?? one.open; });
    main.replaceWith(document.adoptNode(fresh));
    document.title = next.title;
    setUp(fresh);
    if (next.body.dataset.live) return;
    clearInterval(timer);
    pause.hidden = true;
  }, 1000 * seconds);
}

async function load() {
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return null;
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    return next.querySelector("main") ? next : null;
  } catch {
    return null; // the server is gone: what is shown stays
  }
}

setUp(document);
if (document.body.dataset.live) renew(Number(document.body.dataset.live));
