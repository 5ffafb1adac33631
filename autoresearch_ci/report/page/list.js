// Search, choices and order of the page's tables. It moves rows and writes text, never markup.
const make = (tag, text, name) => {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (name) made.className = name;
  return made;
};
document.documentElement.classList.add("scripted");

// `rows` have a `tr`, and are told whether they are `shown`.
const listing = (table, rows, { chosen, value, changed = () => {} }) => {
  const form = table.closest("section").querySelector("form");
  const [search, selects] = [form.querySelector("input"), [...form.querySelectorAll("select")]];
  const filter = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const fits = selects.every((select) => select.value === "" || chosen(row, select));
      const text = fits && wanted.length ? row.tr.textContent.toLowerCase() : "";
      row.shown = fits && wanted.every((word) => text.includes(word));
      row.tr.hidden = !row.shown;
    }
    form.querySelector("[role=status]").textContent = `${rows.filter((row) => row.shown).length} of ${rows.length} shown`;
    changed();
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  const heads = [...table.tHead.rows[0].cells];
  const order = (head, cell) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sorted = [...rows].sort((one, other) => {
      const [a, b] = [value(one, cell, head), value(other, cell, head)];
      if (a === null || b === null) return (a === null) - (b === null);
      const found = typeof a === "number" ? a - b : a.localeCompare(b);
      return down ? -found : found;
    });
    table.tBodies[0].append(...sorted.map((row) => row.tr));
  };
  heads.forEach((head, cell) => {
    const button = make("button", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
    button.addEventListener("click", () => order(head, cell));
  });
  filter();
};

for (const table of document.querySelectorAll("table.list")) {
  const rows = [...table.tBodies[0].rows].map((tr) => ({ tr, shown: true }));
  const text = (row, cell) => row.tr.cells[cell].textContent;
  const value = (row, cell) => (row.tr.cells[cell].dataset.order === undefined ? text(row, cell) : +row.tr.cells[cell].dataset.order);
  listing(table, rows, { chosen: (row, select) => text(row, select.dataset.column) === select.value, value });
}
