"use strict";

const PAGE = 50;
const data = JSON.parse(document.getElementById("rejected-rows").textContent);
const columns = data.columns.filter(({ name }) => name !== "bundle" || data.bundles > 1);
const sentences = columns.pop();
const valuesOf = Object.fromEntries(data.columns.map(({ name, values }) => [name, values]));
const rows = valuesOf.index.length;

const shown = {
  recorded: (ms) => new Date(ms).toISOString().replace("T", " ").replace("Z", ""),
  reason: (code) => data.reasonNames[code],
  masks: (bits) => data.maskNames.filter((_, bit) => bits & (1 << bit)).join(", "),
};

// Numbers that JSON has no name for.
const special = { inf: Infinity, "-inf": -Infinity, nan: NaN };

function text({ name, values }, row) {
  const value = values[row];
  if (shown[name]) return shown[name](value);
  return Number.isInteger(value) || typeof value === "string" ? String(value) : String(Number(value.toPrecision(6)));
}

// What a row is searched by, made when it is first looked at.
const searched = [];
function searchedText(row) {
  searched[row] ??= [...columns, sentences].map((column) => text(column, row)).join("\n").toLowerCase();
  return searched[row];
}

// What is no number comes last, whichever way.
function compared(a, b, direction) {
  const [odd, other] = [Number.isNaN(a), Number.isNaN(b)];
  if (odd || other) return odd - other;
  return a === b ? 0 : direction * (a < b ? -1 : 1);
}

function start() {
  const at = (id) => document.getElementById(id);
  const head = at("rows").tHead;
  let found = [];
  let first = 0;
  let sorted = { column: null, direction: 1 };

  // One row with its sentence below.
  function drawn(row) {
    const group = document.createElement("tbody");
    const line = group.insertRow();
    for (const column of columns) {
      const cell = line.insertCell();
      cell.textContent = text(column, row);
      if (typeof column.values[row] === "number" && !shown[column.name]) {
        cell.className = "number";
        cell.title = String(column.values[row]);
      }
    }
    if (sentences.values[row]) {
      const cell = group.insertRow().insertCell();
      cell.colSpan = columns.length;
      cell.append(document.createElement("p"));
      cell.firstChild.textContent = sentences.values[row];
    }
    return group;
  }

  function draw() {
    for (const group of [...at("rows").tBodies]) group.remove();
    at("rows").append(...found.slice(first, first + PAGE).map(drawn));
    const last = Math.min(first + PAGE, found.length);
    at("count").textContent = found.length
      ? `Rows ${first + 1} to ${last} of ${found.length} found, of ${rows} listed`
      : `None found, of ${rows} listed`;
    at("previous").disabled = first === 0;
    at("next").disabled = last === found.length;
  }

  function find() {
    const wanted = at("search").value.toLowerCase().trim();
    const filters = ["reason", "bundle"].filter((name) => at(name).value !== "");
    found = [];
    for (let row = 0; row < rows; row += 1) {
      if (
        filters.every((name) => String(valuesOf[name][row]) === at(name).value) &&
        (!wanted || searchedText(row).includes(wanted))
      ) {
        found.push(row);
      }
    }
    if (sorted.column) {
      const { name, values } = sorted.column;
      const key = (row) => (shown[name] && name !== "recorded" ? text(sorted.column, row) : special[values[row]] ?? values[row]);
      found.sort((a, b) => compared(key(a), key(b), sorted.direction) || a - b);
    }
    first = 0;
    draw();
  }

  function sortBy(column, cell) {
    const again = sorted.column === column;
    sorted = { column, direction: again ? -sorted.direction : 1 };
    for (const other of head.rows[0].cells) other.removeAttribute("aria-sort");
    cell.setAttribute("aria-sort", sorted.direction > 0 ? "ascending" : "descending");
    find();
  }

  function choices(name, told) {
    const counts = new Map();
    for (const value of valuesOf[name]) counts.set(value, (counts.get(value) ?? 0) + 1);
    at(name).append(new Option(`all (${rows})`, ""));
    for (const [value, count] of [...counts].sort(([a], [b]) => a - b)) {
      at(name).append(new Option(`${told(value)} (${count})`, value));
    }
    at(name).addEventListener("change", find);
  }

  const line = head.insertRow();
  for (const column of columns) {
    const cell = document.createElement("th");
    const button = document.createElement("button");
    cell.scope = "col";
    button.type = "button";
    button.textContent = column.name === "recorded" ? "recorded [UTC]" : column.name;
    button.addEventListener("click", () => sortBy(column, cell));
    cell.append(button);
    line.append(cell);
  }
  choices("reason", shown.reason);
  choices("bundle", String);
  at("bundle").closest("label").hidden = data.bundles < 2;
  at("search").addEventListener("input", find);
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  at("previous").addEventListener("click", () => { first -= PAGE; draw(); });
  at("next").addEventListener("click", () => { first += PAGE; draw(); });
  at("controls").hidden = at("pages").hidden = false;
  find();
}

if (rows) start();
