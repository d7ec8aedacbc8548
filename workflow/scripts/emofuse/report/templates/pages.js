"use strict";
// What the pages do besides being read. Without it all of them can be read.

// Rows of a table part as lists of cells: a cell that spans rows or columns stands in each of its places.
function grid(rows) {
  const places = rows.map(() => []);
  rows.forEach((row, i) => {
    let j = 0;
    for (const cell of row.cells) {
      while (places[i][j]) j += 1;
      for (let down = 0; down < cell.rowSpan && i + down < rows.length; down += 1) {
        for (let right = 0; right < cell.colSpan; right += 1) places[i + down][j + right] = cell;
      }
    }
  });
  return places;
}

// The first number of a cell, "< 0.001" a trifle less than that; NaN where there is none.
function number(cell) {
  if ("value" in cell.dataset) return parseFloat(cell.dataset.value);
  const found = cell.textContent.trim().match(/^(<?)\s*([+-]?\d[\d,]*(?:\.\d+)?)/);
  return found ? Number(found[2].replaceAll(",", "")) - (found[1] ? 1e-9 : 0) : NaN;
}

function sortable(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const places = grid(rows);
  const heads = grid([...table.tHead.rows]).at(-1);
  const { compare } = new Intl.Collator("en", { numeric: true });
  // Out of its order a row needs the heads that it shares with its neighbours for itself.
  const shared = places.some((cells, i) => i > 0 && cells.some((cell, j) => cell === places[i - 1][j]));
  const alone = !shared ? rows : rows.map((row, i) => {
    const copy = row.cloneNode(false);
    for (const cell of places[i]) {
      const own = cell.cloneNode(true);
      own.rowSpan = 1;
      if (own.scope === "rowgroup") own.scope = "row";
      copy.append(own);
    }
    return copy;
  });

  function order(column, numeric, sign) {
    const keys = places.map((cells) => {
      const text = cells[column].textContent.trim();
      return numeric ? number(cells[column]) : text === "–" ? "" : text;
    });
    const missing = (key) => (numeric ? Number.isNaN(key) : key === "");
    return rows.map((_, i) => i).sort((a, b) => {
      const [one, other] = [keys[a], keys[b]];
      if (missing(one) || missing(other)) return missing(one) - missing(other);
      return sign * (numeric ? one - other : compare(one, other));
    });
  }

  heads.forEach((head, column) => {
    if (head.colSpan > 1 || "plain" in head.dataset) return;
    const cells = places.map((of) => of[column]);
    const numeric = head.classList.contains("n") && cells.some((cell) => !Number.isNaN(number(cell)));
    const ways = numeric ? ["descending", "ascending"] : ["ascending", "descending"];
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const way = ways[ways.indexOf(head.getAttribute("aria-sort")) + 1];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (way) head.setAttribute("aria-sort", way);
      body.replaceChildren(...(way ? order(column, numeric, way === "ascending" ? 1 : -1).map((i) => alone[i]) : rows));
    });
  });
}

// Pointing at a cell of the matrix, or moving there by the keys, shows what stands below it of that cell.
function pointable(table) {
  const cells = [...table.querySelectorAll("td")];
  const wide = Math.sqrt(cells.length);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide };
  const told = document.getElementById(table.dataset.told);

  function show(cell) {
    for (const other of cells) {
      other.tabIndex = other === cell ? 0 : -1;
      other.classList.toggle("pointed", other === cell);
    }
    for (const of of told.children) of.hidden = of.id !== cell.dataset.cell;
  }

  table.setAttribute("role", "grid");
  cells.forEach((cell, i) => {
    cell.setAttribute("role", "gridcell");
    cell.tabIndex = i ? -1 : 0;
    for (const event of ["mouseenter", "focus", "click"]) cell.addEventListener(event, () => show(cell));
    cell.addEventListener("keydown", (event) => {
      const next = cells[i + steps[event.key]];
      const across = Math.abs(steps[event.key]) === 1;
      if (!next || (across && next.parentNode !== cell.parentNode)) return;
      event.preventDefault();
      next.focus();
    });
  });
  for (const of of told.children) of.hidden = true;
  told.setAttribute("aria-live", "polite");
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("table.confusion").forEach(pointable);
  for (const hint of document.querySelectorAll(".hint")) hint.hidden = false;
});

// Paper cannot be unfolded.
let unfolded = [];
window.addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const of of unfolded) of.open = true;
});
window.addEventListener("afterprint", () => {
  for (const of of unfolded) of.open = false;
});
