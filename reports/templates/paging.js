// Tables of many rows: more of them when they are asked for.
for (const [name, { of, classes, rows }] of Object.entries(payload.pages)) {
  const body = document.querySelector(`#${name} tbody`);
  const shown = document.getElementById(`${name}-shown`);
  const more = Object.assign(document.createElement("button"), { type: "button", textContent: "More" });
  const left = rows.map((cells) => cells.map((cell) => (Array.isArray(cell) ? cell : [cell])));
  shown.after(more);
  more.addEventListener("click", () => {
    body.append(...left.splice(0, 300).map((cells) => {
      const line = document.createElement("tr");
      line.append(...cells.map(([text, hint], index) => {
        const cell = document.createElement(index ? "td" : "th");
        if (!index) cell.scope = "row";
        if (classes[index]) cell.className = classes[index];
        if (hint !== undefined) cell.title = hint;
        // what stands in backticks is a command
        const parts = classes[index] === "roomy" ? text.split("`") : [text];
        cell.append(...parts.map((part, place) => (place % 2 && place < parts.length - 1
          ? Object.assign(document.createElement("code"), { textContent: part }) : part)));
        return cell;
      }));
      return line;
    }));
    shown.textContent = `${body.rows.length.toLocaleString("en")} of ${of.toLocaleString("en")} rows`;
    more.hidden = !left.length;
  });
}
