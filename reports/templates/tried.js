// The table of what the search tried: sorts, filters by words and conditions, and says what passes the brushes.
(() => {
  const place = document.getElementById("tried-view");
  const words = (values) => ({ text: true, values });
  const used = tried.settings;
  const fields = [
    { name: "trial", values: tried.trial },
    { name: "defense", ...words(tried.defense.map((index) => tried.defenses[index].name)) },
    { name: "standing", ...words(tried.kind) },
    ...Object.entries(tried.objectives).map(([name, values]) => ({ name, values })),
    ...used.map((setting) => ({ ...setting, text: setting.values.some((value) => typeof value === "string") })),
  ];
  const page = 50;
  let [sorted, falling, shown] = [0, false, page];

  const search = document.createElement("input");
  Object.assign(search, { type: "search", placeholder: "front accuracy > 0.6", ariaLabel: "Filter the trials" });
  const count = document.createElement("output");
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  const table = scroll.appendChild(document.createElement("table"));
  const head = table.createTHead().insertRow();
  const body = table.createTBody();
  const more = Object.assign(document.createElement("button"), { type: "button", textContent: "More" });
  fields.forEach((field, index) => {
    const cell = head.appendChild(document.createElement("th"));
    cell.scope = "col";
    if (!field.text) cell.className = "number";
    const button = cell.appendChild(Object.assign(document.createElement("button"), { type: "button", textContent: field.name }));
    if (field.path) button.title = field.path;
    button.addEventListener("click", () => {
      [falling, sorted, shown] = [sorted === index ? !falling : false, index, page];
      list();
    });
  });
  const controls = document.createElement("div");
  controls.className = "controls";
  controls.append(search, count);
  place.append(controls, scroll, more);

  const tests = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b };
  // "accuracy > 0.6" is a condition on a field; any other word has to be in the trial's words, or be its number
  function filter(query) {
    const conditions = [];
    const left = query.replace(/([\w/.:]+)\s*(<=|>=|<|>|=)\s*(\S+)/g, (whole, name, sign, value) => {
      const meant = fields.filter((one) => one.name === name || one.path === name || one.name.endsWith(`/${name}`));
      if (!meant.length) return whole;
      conditions.push((row) => meant.some(({ text, values }) => values[row] !== null
        && tests[sign](values[row], text ? value : Number(value))));
      return " ";
    });
    for (const word of left.toLowerCase().split(/\s+/).filter(Boolean)) {
      conditions.push((row) => String(tried.trial[row]) === word
        || fields.some((field) => field.text && String(field.values[row] ?? "").toLowerCase().includes(word)));
    }
    return (row) => conditions.every((condition) => condition(row));
  }

  function list() {
    const wanted = filter(search.value);
    const rows = [...tried.trial.keys()].filter((row) => passing.has(row) && wanted(row));
    const { values } = fields[sorted];
    const order = falling ? -1 : 1;
    rows.sort((a, b) => {
      const [x, y] = [values[a], values[b]];
      if (x === null || y === null) return (x === null) - (y === null);
      return order * (typeof x === "string" ? x.localeCompare(y) : x - y);
    });
    head.querySelectorAll("th").forEach((cell, index) => {
      cell.ariaSort = index === sorted ? (falling ? "descending" : "ascending") : "none";
    });
    body.replaceChildren(...rows.slice(0, shown).map((row) => {
      const line = document.createElement("tr");
      line.dataset.row = row;
      for (const field of fields) {
        const value = field.values[row];
        const cell = line.insertCell();
        if (!field.text) cell.className = "number";
        cell.textContent = value === null ? "\u2013" : typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
      }
      return line;
    }));
    count.textContent = `${rows.length} of ${tried.trial.length}${tried.of > tried.trial.length ? ` listed, ${tried.of} in all` : ""}`;
    more.hidden = rows.length <= shown;
  }
  search.addEventListener("input", () => { shown = page; list(); });
  more.addEventListener("click", () => { shown += 4 * page; list(); });
  body.addEventListener("mousemove", (event) => {
    const line = event.target.closest("tr");
    if (line) thumbnails(tried.trial[line.dataset.row], event);
  });
  body.addEventListener("mouseleave", () => tip.replaceChildren());
  relist = list;
  list();
})();
