// The page: a note goes to /v1, what comes back becomes elements. All text is put in as text, never as markup;
// nothing is stored, and what was read is forgotten with "Clear everything", or when the page is left.
"use strict";

const SHOWN = 10; // labels of a task with many
const LEAST = 0.005; // of a probability: a sentence that changes less is not marked
const by = (id) => document.getElementById(id);
const memory = { key: "", text: "", points: [], tasks: [], about: new Map() };

// ---- elements

const SVG = "http://www.w3.org/2000/svg";
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}
const make = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);
const pair = (term, ...value) => make("div", {}, make("dt", {}, term), make("dd", {}, ...value));
function button(text, action) {
  const made = make("button", { type: "button" }, text);
  made.addEventListener("click", () => action(made));
  return made;
}

// ---- numbers in words

const number = new Intl.NumberFormat("en");
function percent(p) {
  const value = 100 * p;
  if (value > 0 && value < 0.01) return "<0.01\u00a0%";
  if (value > 99.99 && value < 100) return ">99.99\u00a0%";
  return `${value < 10 ? Number(value.toPrecision(2)) : value.toFixed(1)}\u00a0%`;
}
function points(change) {
  const value = 100 * change, sign = value > 0 ? "+" : value < 0 ? "−" : "";
  return `${sign}${Math.abs(value).toFixed(Math.abs(value) < 1 ? 2 : 1)}`;
}
const nth = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th"}`;
function between(p, quantiles) { // percentiles below and above a probability among those of a run's own rows
  const known = Object.entries(quantiles).map(([share, value]) => [Math.round(100 * share), value]).sort((a, b) => a[0] - b[0]);
  const under = known.filter(([, value]) => value <= p).pop(), over = known.find(([, value]) => value > p);
  return [under && nth(under[0]), over && nth(over[0])];
}
function place(p, quantiles) {
  const [under, over] = between(p, quantiles);
  if (!under) return over ? `below the ${over} percentile` : "";
  return over ? `between the ${under} and the ${over} percentile` : `at or above the ${under} percentile`;
}
function cell(p, quantiles) {
  const [under, over] = between(p, quantiles);
  if (!under) return over ? `below ${over}` : "";
  return over ? `${under} to ${over}` : `${under} or above`;
}
const WAYS = { platt: "Platt scaling", temperature: "temperature scaling", isotonic: "isotonic regression", youden: "Youden's index" };
const ways = (text) => text.replace(/^\w+/, (word) => WAYS[word] || word); // "platt on the validation split"

// ---- the service

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}
async function call(path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (memory.key) headers.Authorization = `Bearer ${memory.key}`;
  let answer;
  try {
    answer = await fetch(path, {
      method: body === undefined ? "GET" : "POST", headers, body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", redirect: "error",
    });
  } catch { throw new Refused(0, "the service does not answer; is it still running?"); }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.error || `the service answered ${answer.status}`);
  return said;
}
async function about(name) {
  if (!memory.about.has(name)) memory.about.set(name, await call(`v1/tasks/${encodeURIComponent(name)}`));
  return memory.about.get(name);
}
function tell(text) {
  by("alert").textContent = text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "";
  by("alert").hidden = !text;
}
function failed(error) {
  if (!(error instanceof Refused)) throw error;
  if (error.status === 401) { by("key-row").hidden = false; by("key").focus(); }
  tell(error.message);
}

// ---- the form

async function listTasks() {
  try {
    memory.tasks = (await call("v1/tasks")).tasks;
  } catch (error) { failed(error); return; }
  tell(memory.tasks.length ? "" : "no task is loaded, or your key allows none");
  const rows = memory.tasks.map((task) => {
    const box = make("input", { type: "checkbox", value: task.name });
    box.checked = !task.pairs;
    box.disabled = task.pairs;
    const line = make("small", {}, task.pairs ? "reads pairs of texts, which this page does not ask for" : " ");
    about(task.name).then((known) => {
      if (!task.pairs) line.textContent = known.question || known.title;
      if (known.fictional) by("fictional").hidden = false;
    }, failed);
    return make("label", task.pairs ? { class: "not" } : {}, box, make("span", {}, task.name), line);
  });
  by("tasks").replaceChildren(make("legend", {}, "Tasks"), ...rows);
}
function counted() {
  const size = Array.from(by("note").value).length;
  by("count").textContent = size ? `${number.format(size)} characters` : "";
}
async function take(file) {
  if (!file) return;
  if (file.size > 2_000_000) { tell("a note must have less than 2 MB"); return; }
  try {
    by("note").value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    tell("");
  } catch { tell("the file must be plain text in UTF-8; save it as such, or paste the note"); }
  counted();
}
function forget() {
  by("note").value = "";
  by("file").value = "";
  memory.text = "";
  memory.points = [];
  by("results").replaceChildren();
  by("status").textContent = "";
  tell("");
  counted();
}
async function read() {
  const chosen = [...by("tasks").querySelectorAll("input:checked")].map((box) => box.value);
  const text = by("note").value;
  if (!text.trim()) { tell("paste a note first"); by("note").focus(); return; }
  if (!chosen.length) { tell("choose a task"); return; }
  tell("");
  by("read").disabled = true;
  by("status").textContent = "Reading …";
  memory.text = text;
  memory.points = Array.from(text); // the service counts characters, a browser counts halves of some
  by("results").replaceChildren();
  try {
    const [scored, ...known] = await Promise.all([
      call("v1/score", { notes: [{ text }], tasks: chosen }), ...chosen.map(about),
    ]);
    if (memory.text !== text) return; // cleared meanwhile
    const own = new Map(scored.rows.map((row) => [row.task, row]));
    by("results").replaceChildren(...chosen.map((name, index) => shown(own.get(name), known[index])));
    by("status").textContent = `Read by ${chosen.length} ${chosen.length === 1 ? "task" : "tasks"}.`;
    by("results").focus({ preventScroll: true });
    by("results").scrollIntoView({ block: "start" });
  } catch (error) { by("status").textContent = ""; failed(error); } finally { by("read").disabled = false; }
}

// ---- one task

function shown(row, known) {
  const task = known.about, names = titles(task);
  const pane = make("div");
  const body = row.spans ? [spansOf(row, names)]
    : row.probability !== undefined ? [outcome(row, known, names)]
      : [labelsOf(row, known, names, (label) => explain(pane, task, label))];
  const cut = row.truncated
    ? make("p", { class: "warning" }, `The note was cut: ${number.format(row.tokens_read)} of its ${number.format(row.tokens)} tokens were read.`)
    : make("p", { class: "fine" }, `All ${number.format(row.tokens)} tokens of the note were read.`);
  const ask = row.spans ? [] : [make("div", { class: "row" }, button(
    row.probability === undefined ? "Which sentences moved the first label?" : "Which sentences moved it?",
    (own) => explain(pane, task, row.probability === undefined ? ranked(row, task)[0][0] : null, own)))];
  if (row.truncated && !row.spans) unread(pane, task);
  return make("article", {},
    make("h2", {}, known.title || task.name, " ", make("small", {}, task.name)),
    make("p", {}, known.question), ...body, cut, ...ask, pane, make("h3", {}, "Where this number comes from"),
    limits(known), card(known));
}
const titles = (task) => new Map(task.labels.map((label, index) => [label, task.titles[index] || label]));
const ranked = (row, task) => task.labels.map((label) => [label, row[`p_${label}`]]).sort((a, b) => b[1] - a[1]);
const counts = (reference) => `${reference.rows} rows of its ${reference.split} split`;

function outcome(row, known, names) {
  const label = known.about.labels[1], reference = known.reference, own = (reference.labels || {})[label];
  const raw = known.recalibration === "raw" ? "not recalibrated" : `recalibrated by ${ways(known.recalibration)}`;
  const tile = make("div", { class: "tile" }, make("span", {}, `Probability of: ${names.get(label)}`),
    make("b", {}, percent(row.probability)), make("span", {}, raw));
  if (!own) return make("div", { class: "top" }, tile, make("p", { class: "fine" }, `How it lies among others is not shown: ${reference.missing}.`));
  const where = place(row.probability, own.quantiles);
  const said = `${where ? `The probability lies ${where} of` : "Grey:"} the ${counts(reference)}.`;
  return make("div", { class: "top" }, tile, histogram(row.probability, own, reference, known.threshold, said));
}

function histogram(p, own, reference, threshold, said) {
  const width = 440, height = 92, top = 20, most = Math.max(1, ...own.counts.map((count) => count || 0));
  const bins = own.counts.map((count, index) => {
    const x = index * width / own.counts.length, wide = width / own.counts.length - 1.5;
    const high = count === null ? 0 : (height - top) * count / most;
    return count === null ? draw("line", { class: "hidden", x1: x, x2: x + wide, y1: height - 2, y2: height - 2 })
      : draw("rect", { class: "bar", x, y: height - high, width: wide, height: high });
  });
  const at = Math.min(1, Math.max(0, p)) * width, side = at > width / 2 ? "end" : "start";
  const limit = threshold ? [draw("line", { class: "limit", x1: threshold.value * width, x2: threshold.value * width, y1: top, y2: height })] : [];
  const hidden = own.counts.includes(null);
  const picture = draw("svg", { viewBox: `-2 0 ${width + 4} ${height + 16}`, role: "img", "aria-label": `Distribution of probabilities. ${said}` },
    ...bins, draw("line", { class: "axis", x1: 0, x2: width, y1: height, y2: height }), ...limit,
    draw("line", { class: "here", x1: at, x2: at, y1: top - 4, y2: height }),
    draw("path", { class: "head", d: `M${at - 5} ${top - 9}h10l-5 7z` }),
    draw("text", { class: "strong", x: at + (side === "end" ? -9 : 9), y: top - 4, "text-anchor": side }, "this note"),
    ...["0", "25\u00a0%", "50\u00a0%", "75\u00a0%", "100\u00a0%"].map((text, index) => draw("text", {
      x: index * width / 4, y: height + 14, "text-anchor": index === 0 ? "start" : index === 4 ? "end" : "middle" }, text)));
  const legend = [said, threshold ? ` Dashed: ${percent(threshold.value)}, the threshold by ${ways(threshold.rule)} (this note lies ${p >= threshold.value ? "at or above" : "below"} it); a study's choice, not a rule for treatment.` : "",
    hidden ? ` Dotted: fewer than ${reference.class_width} rows, or none.` : ""];
  return make("figure", {}, picture, make("figcaption", {}, ...legend));
}

function labelsOf(row, known, names, ask) {
  const task = known.about, every = ranked(row, task), reference = known.reference.labels || {};
  const rows = every.slice(0, SHOWN).map(([label, p]) => make("tr", {},
    make("th", { scope: "row" }, names.get(label), names.get(label) === label ? null : make("small", {}, ` ${label}`)),
    make("td", { class: "number probability" }, percent(p), bar(p)),
    make("td", {}, reference[label] ? cell(p, reference[label].quantiles) : ""),
    make("td", { class: "number" }, button("Sentences", () => ask(label)))));
  const among = known.reference.missing ? `percentile: ${known.reference.missing}` : "percentile";
  const head = ["label", "probability", among, "explain"].map((text, index) => make("th", { scope: "col", class: index % 2 ? "number" : "" }, text));
  const whose = known.reference.missing ? "" : ` Percentiles are among the ${counts(known.reference)}.`;
  const rest = every.length > SHOWN ? `The ${SHOWN} labels of highest probability of ${number.format(every.length)}. ` : "";
  const raw = known.recalibration === "raw" ? "Not recalibrated." : `Recalibrated by ${ways(known.recalibration)}.`;
  return make("div", {}, make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))),
    make("p", { class: "fine" }, rest + raw + whose));
}
function bar(p) {
  return draw("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", { class: "rest", width: 100, height: 8 }), draw("rect", { class: "part", width: 100 * p, height: 8 }));
}
function spansOf(row, names) {
  const rows = row.spans.map((span) => make("tr", {}, make("th", { scope: "row" }, memory.points.slice(span.start, span.end).join("")),
    make("td", {}, names.get(span.type) || span.type), make("td", { class: "number" }, percent(span.probability))));
  if (!rows.length) return make("p", {}, "Nothing was found in this note.");
  const head = ["words", "type", "probability"].map((text) => make("th", { scope: "col" }, text));
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

function limits(known) {
  const scores = (known.scores || {})[known.scored_on], facts = [];
  for (const [term, text] of [["Learnt from", known.source], ["Patients", known.cohort.who], ["When", known.cohort.when], ["What it reads", known.cohort.seen], ["Asked", known.cohort.asked]]) {
    if (text) facts.push(pair(term, text));
  }
  if (typeof scores === "string" || !scores) facts.push(pair("Scores", scores || "not measured"));
  else for (const [metric, title] of Object.entries(known.measures).slice(0, 8)) {
    const measured = scores[metric];
    if (measured === undefined || measured === null) continue;
    const raw = known.recalibration !== "raw" && metric.startsWith("calibration") ? " (before recalibration)" : "";
    facts.push(pair(title, (typeof measured === "string" ? measured : interval(measured)) + raw));
  }
  facts.push(pair("Model", make("code", {}, known.about.model), ` · ${known.scored_on} split scored`));
  return make("dl", { class: "facts" }, ...facts);
}
function interval(measured) {
  const digits = (value) => Number.isInteger(value) ? String(value) : value.toFixed(3);
  const both = measured.low === null || measured.low === undefined ? "" : ` (95\u00a0% interval ${digits(measured.low)} to ${digits(measured.high)})`;
  return digits(measured.value) + both;
}
function card(known) {
  const parts = known.card.flatMap((section) => [make("h4", {}, section.title), ...section.text.map((text) => make("p", {}, text)),
    section.facts.length ? make("dl", { class: "facts" }, ...section.facts.map(([term, value]) => pair(term, value))) : null,
    section.rows.length ? make("div", { class: "scroll" }, make("table", {},
      make("thead", {}, make("tr", {}, ...section.columns.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...section.rows.map((cells) => make("tr", {}, ...cells.map((text) => make("td", {}, text))))))) : null]);
  return make("details", {}, make("summary", {}, "Model card"), ...parts.filter(Boolean));
}

// ---- sentences

async function explain(pane, task, label, own) {
  const text = memory.text;
  pane.replaceChildren(make("p", { class: "fine", role: "status" }, "Leaving out sentences one by one …"));
  if (own) own.disabled = true;
  try {
    const said = await call("v1/explain", { text, task: task.name, ...(label === null ? {} : { label }) });
    if (memory.text === text) pane.replaceChildren(...explained(said));
  } catch (error) { pane.replaceChildren(); failed(error); } finally { if (own) own.disabled = false; }
}
async function unread(pane, task) {
  const text = memory.text;
  try {
    const said = await call("v1/explain", { text, task: task.name, most: 0 });
    if (memory.text === text && !pane.hasChildNodes()) pane.replaceChildren(make("h3", {}, "What was read"), marked(said, 0));
  } catch (error) { if (error.status !== 403) failed(error); }
}
function explained(said) {
  const moved = said.parts.filter((part) => part.probability_change !== null);
  const most = Math.max(0, ...moved.map((part) => Math.abs(part.probability_change)));
  const title = make("h3", {}, `Sentences, and the probability of: ${said.title} (${percent(said.probability)})`);
  const what = said.grouped ? "Neighbouring sentences were left out together, because the note has many. " : "";
  const note = make("p", { class: "fine" }, `${what}Each was left out in turn; shown is how much the probability falls or rises without it, in percentage points. This says what the model makes of the words, not what causes the outcome; sentences that say the same hide each other.`);
  if (most < LEAST) return [title, make("p", {}, moved.length ? "No sentence alone changes the probability by half a percentage point." : "There is nothing in the note beside this sentence."), marked(said, 0), note];
  const legend = make("ul", { class: "legend" },
    make("li", {}, make("mark", { class: "up s3" }, "raises it")), make("li", {}, make("mark", { class: "down s3" }, "lowers it")),
    make("li", {}, `the thicker the line, the more: ${points(most).slice(1)} percentage points at most`));
  const top = moved.filter((part) => Math.abs(part.probability_change) >= LEAST)
    .sort((a, b) => Math.abs(b.probability_change) - Math.abs(a.probability_change)).slice(0, SHOWN);
  const rows = top.map((part) => make("tr", {}, make("td", { class: "number" }, `${part.probability_change > 0 ? "▲" : "▼"} ${points(part.probability_change)}`),
    make("td", {}, memory.points.slice(part.start, part.end).join(""))));
  const table = make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {},
    make("th", { scope: "col", class: "number" }, "percentage points"), make("th", { scope: "col" }, "sentence"))), make("tbody", {}, ...rows)));
  return [title, legend, marked(said, most), note, table];
}
function marked(said, most) { // the note with its sentences marked, and what was not read
  const edges = [];
  const strength = (part) => Math.min(3, 1 + Math.floor(3 * Math.abs(part.probability_change) / most));
  for (const part of most ? said.parts : []) {
    if (part.probability_change === null || Math.abs(part.probability_change) < LEAST) continue;
    const up = part.probability_change > 0;
    for (const place of said.read) { // of a sentence that is read in part, that part
      const start = Math.max(part.start, place.start), end = Math.min(part.end, place.end);
      if (start < end) edges.push({ start, end, tag: "mark", class: `${up ? "up" : "down"} s${strength(part)}`,
        says: `${up ? "raises" : "lowers"} the probability by ${points(Math.abs(part.probability_change)).slice(1)} percentage points: ` });
    }
  }
  let reached = 0;
  for (const place of [...said.read, { start: memory.points.length, end: memory.points.length }]) {
    const gap = memory.points.slice(reached, place.start).join("");
    if (gap.trim()) edges.push({ start: reached, end: place.start, tag: "span", class: "unread", says: "" });
    reached = place.end;
  }
  const nodes = [];
  let done = 0;
  for (const edge of edges.sort((a, b) => a.start - b.start || a.end - b.end)) {
    const start = Math.max(done, edge.start);
    if (start >= edge.end) continue;
    nodes.push(memory.points.slice(done, start).join(""));
    nodes.push(make(edge.tag, { class: edge.class, ...(edge.says ? { title: edge.says.slice(0, -2) } : {}) },
      edge.says ? make("span", { class: "unseen" }, edge.says) : null, memory.points.slice(start, edge.end).join("")));
    done = edge.end;
  }
  nodes.push(memory.points.slice(done).join(""));
  return make("div", { class: "pane", tabindex: "0", role: "region", "aria-label": "The note as it was read" }, ...nodes);
}

// ---- begin

by("form").hidden = false;
by("form").addEventListener("submit", (event) => { event.preventDefault(); read(); });
by("clear").addEventListener("click", () => { forget(); by("note").focus(); });
by("use-key").addEventListener("click", () => { memory.key = by("key").value.trim(); memory.about.clear(); listTasks(); });
by("key").addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); by("use-key").click(); } });
by("file").addEventListener("change", () => take(by("file").files[0]));
by("note").addEventListener("input", counted);
for (const kind of ["dragover", "dragleave", "drop"]) {
  by("note").addEventListener(kind, (event) => {
    const file = event.dataTransfer && [...event.dataTransfer.types].includes("Files");
    by("note").classList.toggle("over", kind === "dragover" && Boolean(file));
    if (!file) return;
    event.preventDefault();
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
for (const kind of ["dragover", "drop"]) { // a file that is dropped beside the field does not replace the page
  document.addEventListener(kind, (event) => { if (event.dataTransfer && [...event.dataTransfer.types].includes("Files")) event.preventDefault(); });
}
addEventListener("pagehide", forget);
addEventListener("pageshow", (event) => { if (event.persisted) forget(); });
forget();
listTasks();
