"use strict";
// A click on a header sorts its table by that column; a second one turns the order round.
const value = (row, column) => row.cells[column].textContent.trim();
const numeric = (text) => /^[-+]?[\d.]/.test(text) ? parseFloat(text.replace(/,/g, "")) : NaN;
const compare = (one, other) => {
  const [a, b] = [numeric(one), numeric(other)];
  if (Number.isNaN(a) && Number.isNaN(b)) return one.localeCompare(other);
  if (Number.isNaN(a)) return 1;
  return Number.isNaN(b) ? -1 : a - b;
};
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const header = button.closest("th"), table = header.closest("table"), body = table.tBodies[0];
    const ascending = header.getAttribute("aria-sort") !== "ascending", column = header.cellIndex;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const rows = [...body.rows].sort((one, other) => compare(value(one, column), value(other, column)));
    body.append(...(ascending ? rows : rows.reverse()));
  });
}
