// The console's page: asks this machine's console for JSON and shows it. Text only ever goes in as text.
import { chart } from "/charts.js";

const NOW_MILLIS = 2000, TABLES_MILLIS = 6000;
const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside.filter((part) => part !== null && part !== undefined));
  return made;
}

async function ask(path) {
  const reply = await fetch(path, { credentials: "same-origin" });
  if (reply.status === 401) throw new Error("the console was started again: open the address that it has printed");
  const answer = await reply.json();
  if (!reply.ok) throw new Error(answer.problem || `the console answered ${reply.status}`);
  return answer;
}

const whole = (value) => Math.round(value).toLocaleString("en");
const rate = (value) => (value < 10 && value > 0 ? value.toFixed(1) : whole(value));

function duration(seconds) {
  if (seconds === undefined || seconds === null) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

const clock = (millis) => new Date(millis).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");

// columns: [[title, kind], ...]; kind: "", "number", "wide" or "mono"
function table(target, caption, columns, rows, none) {
  if (!rows.length) {
    target.replaceChildren(element("tbody", {}, element("tr", {}, element("td", { class: "soft" }, none))));
    return;
  }
  const head = element("tr", {}, ...columns.map(([title, kind]) => element("th", { scope: "col", class: kind }, title)));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, n) => element("td", { class: columns[n][1] }, cell))));
  target.replaceChildren(
    element("caption", { class: "visually-hidden" }, caption), element("thead", {}, head), element("tbody", {}, ...body));
}

function figure(title, value, unit, bad) {
  const shown = element("dd", {}, value);
  if (unit) shown.append(" ", element("small", {}, unit));
  return element("div", bad ? { class: "bad" } : {}, element("dt", {}, title), shown);
}

// now

let tables = null;

function showNow(now) {
  const answering = now.workers.filter((worker) => !worker.problem);
  const lines = now.workers.flatMap((worker) =>
    worker.problem ? [`${worker.url} ${worker.problem}`] : worker.problems.map((line) => `${worker.url}: ${line}`));
  $("problems").replaceChildren(...lines.map((line) => element("li", {}, line)));
  const good = now.workers.length > 0 && answering.length === now.workers.length && answering.every((worker) => worker.healthy);
  $("health").textContent = good ? "healthy" : answering.length ? "needs somebody" : "no worker answers";
  $("health").className = good ? "pill good" : "pill bad";
  const behind = Math.max(...now.shards.map((shard) => shard.behind_millis ?? 0), 0) / 1000;
  const checkpoint = Math.max(...now.shards.map((shard) => shard.checkpoint_age_seconds ?? 0), 0);
  const newest = now.points.at(-1) || {};
  const parked = tables ? tables.parked.total : null;
  $("figures").replaceChildren(
    figure("Records a second", newest.records === null || newest.records === undefined ? "–" : rate(newest.records)),
    figure("Documents a second", newest.documents === null || newest.documents === undefined ? "–" : rate(newest.documents)),
    figure("Largest lag", now.shards.length ? duration(behind) : "–", "", behind > 60),
    figure("Oldest checkpoint", now.shards.length ? duration(checkpoint) : "–", "", checkpoint > 60),
    figure("Shards held", whole(now.shards.length), `by ${answering.length} worker${answering.length === 1 ? "" : "s"}`, !now.shards.length),
    figure("Parked", parked === null ? "–" : whole(parked)));
  chart($("throughput"), "Throughput a second", now.points,
    [{ name: "records", label: "records" }, { name: "documents", label: "documents" }], rate);
  chart($("lag"), "Lag", now.points, [{ name: "behind_millis", label: "behind the end of the shard" }],
    (millis) => (millis ? duration(millis / 1000) : "0"), 1000);
  table($("shards"), "Shards", [["Shard", "mono"], ["Worker", ""], ["Behind", "number"], ["Newest commit", "number"],
    ["Checkpoint", "number"], ["Due", "number"]],
    now.shards.map((shard) => [shard.shard, new URL(shard.worker).host,
      duration((shard.behind_millis ?? null) === null ? null : shard.behind_millis / 1000),
      `${duration(shard.commit_age_seconds)}${shard.commit_age_seconds === undefined ? "" : " ago"}`,
      `${duration(shard.checkpoint_age_seconds)} ago`, whole(shard.due ?? 0)]), "No shard is held.");
  table($("workers"), "Workers", [["Worker", ""], ["Version", ""], ["Health", ""], ["Records", "number"], ["Retries", "number"],
    ["Restarts", "number"]],
    now.workers.map((worker) => [new URL(worker.url).host, worker.version || "–",
      worker.problem ? "no answer" : worker.healthy ? "green" : "red", whole(worker.records), whole(worker.retries),
      whole(worker.restarts)]), "No worker is asked.");
  $("asked").textContent = `Asked ${clock(newest.at * 1000)}.`;
}

function showComplete(complete) {
  const rows = Object.entries(complete).map(([name, micros]) => [name, micros === null ? "not known" : clock(micros / 1000),
    micros === null ? "–" : `${duration(Math.max(0, Date.now() - micros / 1000) / 1000)} ago`]);
  if (rows.length && rows.every(([, time]) => time === "not known")) rows.length = 0;
  table($("complete"), "Complete up to", [["Table", ""], ["Time", "mono"], ["", "number"]], rows, "Not known yet.");
}

// parked

function showParked(parked) {
  const badge = $("parked-badge");
  badge.textContent = whole(parked.total);
  badge.hidden = !parked.total;
  const parts = [];
  const part = (title, columns, rows) => {
    if (!rows.length) return;
    const made = element("table");
    table(made, title, columns, rows, "");
    parts.push(element("div", { class: "card" }, element("h2", {}, title),
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, made)));
  };
  const time = (text) => (text || "").replace("T", " ").replace(/(\.\d+)?(\+00:00|Z)$/, " UTC");
  part("Tables that are stopped", [["Table", ""], ["Since", "mono"], ["What it lacks", "wide"]],
    parked.tables.map((entry) => [entry.table, time(entry.parked_at), entry.detail]));
  part("Documents that keep an older state", [["ID", "mono"], ["Document", ""], ["Why", "wide"]], parked.documents.map((entry) => [
    entry.id, entry.key === undefined ? entry.aggregate : element("a",
      { href: `#/document/${encodeURIComponent(entry.aggregate)}/${encodeURIComponent(entry.key)}` }, `${entry.aggregate} ${entry.key}`), entry.reason]));
  part("Records", [["ID", "mono"], ["Table", ""], ["Reason", ""], ["Detail", "wide"], ["Parked", "mono"]],
    parked.records.map((entry) => [entry.id, entry.table || "–", entry.reason, entry.detail, time(entry.parked_at)]));
  part("Tables without a mapping", [["Table", ""], ["Noted", "mono"]],
    parked.unknown_tables.map((entry) => [entry.table || "–", time(entry.parked_at)]));
  if (!parts.length) parts.push(element("p", { class: "notice calm" }, "Nothing is parked."));
  $("parked-body").replaceChildren(...parts);
}

// document

let aggregates = [];

function showKeys() {
  const chosen = aggregates.find((aggregate) => aggregate.name === $("aggregate").value);
  $("keys").replaceChildren(...(chosen ? chosen.key : []).map((column) => element("label", {}, column,
    element("input", { name: "key", required: "", autocomplete: "off", spellcheck: "false" }))));
}

const STATES = { deleted: "deleted", "never seen": "never seen", left: "points elsewhere by now", copied: "copied when first seen" };

function rowView(node, depth) {
  const summary = element("summary", {}, element("span", { class: "place" }, node.place), " ",
    element("span", { class: "soft" }, `${node.table} `), element("code", {}, node.key));
  if (STATES[node.state]) summary.append(` – ${STATES[node.state]}`);
  const made = element("details", { class: ["deleted", "never seen", "left"].includes(node.state) ? "row off" : "row" }, summary);
  made.open = depth === 0;
  const rows = node.columns.map(([name, value]) => element("tr", {}, element("td", {}, name), element("td", { class: "mono" }, value)));
  if (node.version) rows.push(element("tr", {}, element("td", {}, "version"), element("td", { class: "mono soft" }, node.version)));
  if (rows.length) made.append(element("table", {}, element("tbody", {}, ...rows)));
  made.append(...node.children.map((child) => rowView(child, depth + 1)));
  return made;
}

function showDocument(found) {
  const parts = [];
  const system = found.system || {};
  if (!found.system) parts.push(element("p", { class: "notice calm" }, "No such document is stored."));
  else if (found.body === null) parts.push(element("p", { class: "notice calm" }, "The document is deleted; its revision is kept."));
  if (system._parked) parts.push(element("p", { class: "notice warn" }, `It keeps its last good state: ${system._parked}`));
  if (found.differs) parts.push(element("p", { class: "notice warn" },
    "The rows say something else than the document. It may be on its way: look again. If it stays so, nearview verify tells more."));
  for (const misfit of system._parked ? [] : found.misfits) parts.push(element("p", { class: "notice warn" }, misfit));
  if (found.system) {
    const facts = [["shows commits up to", system._as_of], ["revision", system._rev], ["generation", system._gen]];
    parts.push(element("ul", { class: "facts" }, ...facts.filter(([, value]) => value !== undefined).map(([name, value]) =>
      element("li", {}, element("span", {}, `${name} `), String(value)))));
  }
  const tree = rowView(found.rows, 0);
  const opener = element("button", { type: "button", class: "quiet" }, "Open all");
  opener.addEventListener("click", () => {
    const opens = opener.textContent === "Open all";
    for (const details of tree.querySelectorAll("details")) details.open = opens;
    opener.textContent = opens ? "Close all" : "Open all";
  });
  const head = element("div", { class: "head" }, element("h2", {}, "The rows it was built from"), found.rows.children.length ? opener : null);
  const rows = element("div", { class: "card" }, head, tree);
  if (found.left_out) rows.append(element("p", { class: "hint" }, `${whole(found.left_out)} more rows are not shown.`));
  const body = found.body === null ? null : element("div", { class: "card" }, element("h2", {}, "Document"), element("pre", {}, found.body));
  parts.push(element("div", { class: "columns" }, body, rows));
  $("found").replaceChildren(...parts);
}

async function findDocument(aggregate, key) {
  const query = new URLSearchParams({ aggregate });
  for (const part of key) query.append("key", part);
  try {
    showDocument(await ask(`/api/document?${query}`));
  } catch (problem) {
    $("found").replaceChildren(element("p", { class: "notice" }, problem.message));
  }
}

// which view

function route() {
  const [view, aggregate, ...key] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  const shown = ["now", "parked", "document"].includes(view) ? view : "now";
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== shown;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (shown !== "document" || !aggregate || !aggregates.length) return;
  if ($("aggregate").value !== aggregate) {
    $("aggregate").value = aggregate;
    showKeys();
  }
  const parts = key.length === 1 ? key[0].split("|") : key;
  document.querySelectorAll("#keys input").forEach((input, n) => { input.value = parts[n] ?? ""; });
  findDocument(aggregate, parts);
}

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = [...document.querySelectorAll("#keys input")].map((input) => encodeURIComponent(input.value.trim()));
  const hash = `#/document/${encodeURIComponent($("aggregate").value)}/${key.join("/")}`;
  if (location.hash === hash) route();
  else location.hash = hash;
});
$("aggregate").addEventListener("change", showKeys);
addEventListener("hashchange", () => { route(); $("main").focus(); });

async function every(millis, path, show) {
  try {
    show(await ask(path));
  } catch (problem) {
    $("health").textContent = "no answer";
    $("health").className = "pill bad";
    $("problems").replaceChildren(element("li", {}, problem.message));
  }
  setTimeout(() => every(millis, path, show), millis);
}

let parkedSaid = "";
every(NOW_MILLIS, "/api/now", showNow);
every(TABLES_MILLIS, "/api/tables", (answer) => {
  tables = answer;
  showComplete(answer.complete);
  // drawn anew only if it says something else: a link that has the focus, or is being clicked, stays
  const said = JSON.stringify(answer.parked);
  if (said !== parkedSaid) showParked(answer.parked);
  parkedSaid = said;
});
ask("/api/mapping").then((answer) => {
  aggregates = answer.aggregates;
  $("aggregate").replaceChildren(...aggregates.map((aggregate) => element("option", { value: aggregate.name }, aggregate.name)));
  showKeys();
  route();
}).catch((problem) => $("found").replaceChildren(element("p", { class: "notice" }, problem.message)));
route();
