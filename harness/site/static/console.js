// The console: its later blocks, search, and links to a line, a step or a second.
// What the guest wrote only ever becomes text nodes.
"use strict";

const root = document.getElementById("console");
const blocks = [...root.querySelectorAll(".block")].map((element) => ({
  element,
  number: Number(element.dataset.number),
  first: Number(element.dataset.first),
  lines: Number(element.dataset.lines),
  start: "start" in element.dataset ? Number(element.dataset.start) : null,
  script: element.dataset.script ?? "",
  marks: (element.dataset.marks ?? "").split(" ").filter(Boolean),
  rows: null,
  shown: !element.dataset.script,
  waiting: null,
}));
const lineHeight = 1.5 * parseFloat(getComputedStyle(root).fontSize);
const KEPT = 24; // loaded blocks that stay in the page; others are made again when looked at
const order = [];

// Called by the scripts of blocks.
globalThis.xenflightBlock = (number, rows) => {
  const block = blocks[number];
  block.rows = rows;
  block.waiting?.resolve();
};

function load(block) {
  if (block.rows || !block.script) return Promise.resolve();
  if (!block.waiting) {
    block.waiting = Promise.withResolvers ? Promise.withResolvers() : deferred();
    const script = document.createElement("script");
    script.src = block.script;
    script.addEventListener("error", () => block.waiting.resolve());
    document.head.append(script);
  }
  return block.waiting.promise;
}

function deferred() {
  const found = {};
  found.promise = new Promise((resolve) => { found.resolve = resolve; });
  return found;
}

async function show(block) {
  await load(block);
  if (block.shown || !block.rows) return;
  block.element.replaceChildren(...block.rows.map(rowElement));
  block.element.style.minHeight = "";
  block.shown = true;
  order.push(block);
  while (order.length > KEPT) hide(order.shift());
  markHits(block);
}

function hide(block) {
  block.element.style.minHeight = `${block.element.offsetHeight}px`;
  block.element.replaceChildren();
  block.shown = false;
}

function rowElement([kind, ...rest]) {
  if (kind === "note") return element("p", "note", rest[0]);
  if (kind === "mark") {
    const [id, classes, label, seconds] = rest;
    const mark = element("h2", classes, `${label} `);
    mark.id = id;
    mark.append(element("span", "", seconds));
    return mark;
  }
  const [time, sign, ...pieces] = rest;
  const line = document.createElement("p");
  line.id = `L${kind}`;
  line.dataset.t = time;
  if (sign) {
    line.className = "bad";
    line.title = sign;
  }
  for (const piece of pieces) {
    line.append(typeof piece === "string" ? piece : element("span", piece[1], piece[0]));
  }
  return line;
}

function element(tag, classes, text) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  made.textContent = text;
  return made;
}

const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) show(blocks[Number(entry.target.dataset.number)]);
  }
}, { rootMargin: "1500px 0px" });
for (const block of blocks) {
  if (!block.script) continue;
  block.element.style.minHeight = `${block.lines * lineHeight}px`;
  watch.observe(block.element);
}

// -- links -------------------------------------------------------------------------------

function blockOfLine(number) {
  return blocks.findLast((block) => block.first <= number) ?? blocks[0];
}

function blockOfTime(seconds) {
  return blocks.findLast((block) => block.start !== null && block.start <= seconds) ?? blocks[0];
}

// The first line from that second on; the last one when there is none.
async function lineOfTime(seconds) {
  const { number } = blockOfTime(seconds);
  let last = null;
  for (const block of blocks.slice(number, number + 2)) {
    await show(block);
    for (const line of block.element.querySelectorAll("p[data-t]")) {
      if (Number(line.dataset.t) >= seconds) return line;
      last = line;
    }
  }
  return last;
}

async function goTo(hash) {
  const time = /^t=?(\d+(?:\.\d+)?)$/.exec(hash);
  const line = /^L(\d+)$/.exec(hash);
  let target = null;
  if (time) {
    target = await lineOfTime(Number(time[1]));
  } else {
    const block = line ? blockOfLine(Number(line[1])) : blocks.find((one) => one.marks.includes(hash));
    if (block) await show(block);
    target = document.getElementById(hash);
  }
  if (!target) return;
  for (const old of root.querySelectorAll(".target")) old.classList.remove("target");
  if (root.contains(target)) target.classList.add("target");
  // Blocks above may get their true height only now: once more when they have.
  target.scrollIntoView({ block: "start" });
  requestAnimationFrame(() => target.scrollIntoView({ block: "start" }));
}

addEventListener("hashchange", () => goTo(decodeURIComponent(location.hash.slice(1))));
if (location.hash) goTo(decodeURIComponent(location.hash.slice(1)));

root.addEventListener("click", (event) => {
  // A click on the times beside a line is a link to it.
  const line = event.target.closest("p[id]");
  if (line && event.clientX - line.getBoundingClientRect().left < 120 && !String(getSelection())) {
    location.hash = line.id;
  }
});

// -- search ------------------------------------------------------------------------------

const find = document.getElementById("find");
const found = document.getElementById("found");
const MOST = 5000;
let hits = [];
let current = -1;
let search = 0;
let timer = 0;

function* linesOf(block) {
  if (block.rows) {
    for (const [number, , , ...pieces] of block.rows) {
      if (typeof number !== "number") continue;
      yield [number, pieces.map((piece) => (typeof piece === "string" ? piece : piece[0])).join("")];
    }
    return;
  }
  for (const line of block.element.querySelectorAll("p[id]")) {
    yield [Number(line.id.slice(1)), line.textContent];
  }
}

async function look() {
  const mine = ++search;
  const wanted = find.value.toLowerCase();
  hits = [];
  current = -1;
  for (const block of blocks) unmark(block);
  if (!wanted) {
    found.textContent = "";
    return;
  }
  for (const block of blocks) {
    await load(block);
    if (mine !== search) return;
    for (const [number, text] of linesOf(block)) {
      if (hits.length < MOST && text.toLowerCase().includes(wanted)) hits.push(number);
    }
    if (block.shown) markHits(block);
    if (block.number % 8 === 7) {
      tell(`… ${hits.length}`);
      await new Promise((resolve) => setTimeout(resolve));
    }
    if (hits.length >= MOST) break;
  }
  if (hits.length && current < 0) await goToHit(0);
  else tell();
}

function tell(text = "") {
  const many = hits.length >= MOST ? `${MOST} or more` : hits.length;
  found.textContent = text || (hits.length ? `${current + 1} of ${many}` : "nothing found");
}

async function goToHit(at) {
  if (!hits.length) return;
  current = (at + hits.length) % hits.length;
  const number = hits[current];
  await show(blockOfLine(number));
  const line = document.getElementById(`L${number}`);
  for (const old of root.querySelectorAll(".current")) old.classList.remove("current");
  line?.classList.add("current");
  line?.scrollIntoView({ block: "center" });
  requestAnimationFrame(() => line?.scrollIntoView({ block: "center" }));
  tell();
}

function markHits(block) {
  const last = block.first + block.lines;
  for (const number of hits) {
    if (number >= block.first && number < last) {
      document.getElementById(`L${number}`)?.classList.add("hit");
    }
  }
}

function unmark(block) {
  for (const line of block.element.querySelectorAll(".hit, .current")) {
    line.classList.remove("hit", "current");
  }
}

find.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(look, 250);
});
find.addEventListener("keydown", (event) => {
  if (event.key === "Enter") goToHit(current + (event.shiftKey ? -1 : 1));
  if (event.key === "Escape") {
    find.value = "";
    look();
    root.focus({ preventScroll: true });
  }
});
document.getElementById("next").addEventListener("click", () => goToHit(current + 1));
document.getElementById("previous").addEventListener("click", () => goToHit(current - 1));

// -- what is shown -----------------------------------------------------------------------

function toggle(id, name, on) {
  const button = document.getElementById(id);
  button.addEventListener("click", () => {
    const set = root.classList.toggle(name);
    button.setAttribute("aria-pressed", String(set === on));
  });
  return button;
}

toggle("times", "untimed", false);
const wrap = toggle("wrap", "wrapped", true);
toggle("colours", "plain-colours", false);
for (const control of document.querySelectorAll(".tools :disabled")) control.disabled = false;
if (matchMedia("(max-width: 40rem)").matches) wrap.click();

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input")) return;
  if (event.key === "/") {
    find.focus();
    find.select();
    event.preventDefault();
  } else if (event.key === "n" && hits.length) goToHit(current + 1);
  else if (event.key === "p" && hits.length) goToHit(current - 1);
});
