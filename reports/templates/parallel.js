// Parallel coordinates: a line for each complete trial, brushed along the axes.
(() => {
  const place = document.getElementById("parallel-view");
  const svg = (name, attributes = {}) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const objectives = Object.entries(tried.objectives).map(([name, values]) => ({ name, path: name, values, turned: name === "ssim" }));
  const whole = [...tried.trial.keys()].filter((row) => objectives.every(({ values }) => values[row] !== null));
  const choice = document.createElement("select");
  choice.ariaLabel = "Defense";
  choice.append(new Option("all defenses", ""), ...tried.defenses.map(({ name }, index) => new Option(name, index)));
  const controls = document.createElement("div");
  controls.className = "controls";
  const count = document.createElement("output");
  controls.append(choice, count);
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  place.append(controls, scroll);
  const height = 340;
  const [above, below] = [36, 26];
  let brushes = new Map();

  // of many lines some say as much: at most so many of the front, and of the others
  function evenly(rows, most = 600) {
    const parts = [true, false].map((front) => rows.filter((row) => (tried.kind[row] === "front") === front));
    return parts.reverse().flatMap((own) => own.filter((row, index) => {
      const step = Math.max(1, own.length / most);
      return Math.floor(index / step) !== Math.floor((index - 1) / step);
    }));
  }

  function axesOf(rows) {
    const varies = ({ values }) => rows.every((row) => values[row] !== null) && new Set(rows.map((row) => values[row])).size > 1;
    return [...tried.settings.filter(varies), ...objectives].map((axis) => {
      const own = rows.map((row) => axis.values[row]);
      if (own.some((value) => typeof value === "string")) {
        const names = [...new Set(own)].sort();
        return { ...axis, at: (value) => (names.length > 1 ? names.indexOf(value) / (names.length - 1) : 0.5), ends: [names[0], names.at(-1)] };
      }
      const scale = axis.log ? Math.log10 : (value) => value;
      const [low, high] = [Math.min(...own), Math.max(...own)];
      const share = (value) => (high > low ? (scale(value) - scale(low)) / (scale(high) - scale(low)) : 0.5);
      const at = axis.turned ? (value) => 1 - share(value) : share;
      return { ...axis, at, ends: axis.turned ? [high, low] : [low, high] };
    });
  }

  function paint() {
    const rows = whole.filter((row) => choice.value === "" || tried.defense[row] === Number(choice.value));
    const axes = rows.length ? axesOf(rows) : [];
    const width = Math.max(place.clientWidth - 4, 92 * axes.length);
    const x = (index) => 48 + ((width - 96) * index) / Math.max(1, axes.length - 1);
    const y = (share) => above + (height - above - below) * (1 - share);
    const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Parallel coordinates" });
    const drawn = evenly(rows);
    const lines = drawn.map((row) => {
      const points = axes.map((axis, index) => `${x(index).toFixed(1)},${y(axis.at(axis.values[row])).toFixed(1)}`);
      const line = svg("polyline", { points: points.join(" "), stroke: tried.defenses[tried.defense[row]].colour });
      if (tried.kind[row] === "front") line.classList.add("best");
      line.append(svg("title"));
      line.firstChild.textContent = `trial ${tried.trial[row]}: ${tried.defenses[tried.defense[row]].name} (${tried.kind[row]})`;
      return picture.appendChild(line);
    });
    const text = (content, left, top, anchor = "middle") => {
      const label = picture.appendChild(svg("text", { x: left, y: top, "text-anchor": anchor }));
      label.textContent = content;
      return label;
    };
    const write = (value) => (typeof value === "number" ? String(Number(value.toPrecision(3))) : value);
    axes.forEach((axis, index) => {
      text(axis.name, x(index), 14).append(Object.assign(svg("title"), { textContent: axis.path }));
      text(write(axis.ends[1]), x(index), 29).classList.add("end");
      text(write(axis.ends[0]), x(index), height - 10).classList.add("end");
      picture.append(svg("line", { x1: x(index), x2: x(index), y1: y(0), y2: y(1) }));
      const band = picture.appendChild(svg("rect", { class: "band", x: x(index) - 9, width: 18, y: 0, height: 0 }));
      const handle = picture.appendChild(svg("rect", { class: "handle", x: x(index) - 18, width: 36, y: above - 6, height: height - above - below + 12 }));
      let from = null;
      const share = (event) => {
        const box = picture.getBoundingClientRect();
        return Math.min(1, Math.max(0, 1 - ((event.clientY - box.top) * (height / box.height) - above) / (height - above - below)));
      };
      const show = () => {
        const kept = brushes.get(axis.path);
        band.setAttribute("y", kept ? y(kept[1]) : 0);
        band.setAttribute("height", kept ? y(kept[0]) - y(kept[1]) : 0);
      };
      handle.addEventListener("pointerdown", (event) => {
        from = share(event);
        handle.setPointerCapture(event.pointerId);
        brushes.delete(axis.path);
        show();
        keep();
      });
      handle.addEventListener("pointermove", (event) => {
        if (from === null) return;
        const to = share(event);
        if (Math.abs(to - from) < 0.01) return;
        brushes.set(axis.path, [Math.min(from, to), Math.max(from, to)]);
        show();
        keep();
      });
      handle.addEventListener("pointerup", () => { from = null; });
      show();
    });

    function keep() {
      const bounds = axes.filter(({ path }) => brushes.has(path)).map((axis) => [axis, brushes.get(axis.path)]);
      const inside = rows.map((row) => bounds.every(([axis, [low, high]]) => {
        const share = axis.at(axis.values[row]);
        return share >= low - 1e-9 && share <= high + 1e-9;
      }));
      const kept = new Set(rows.filter((row, index) => inside[index]));
      lines.forEach((line, index) => line.classList.toggle("off", !kept.has(drawn[index])));
      passing.clear();
      const free = !bounds.length && choice.value === "";
      (free ? [...tried.trial.keys()] : kept).forEach((row) => passing.add(row));
      const lined = drawn.length < rows.length ? `, ${drawn.length} drawn` : "";
      count.textContent = (bounds.length ? `${kept.size} of ${rows.length} kept` : `${rows.length} trials`) + lined;
      relist();
    }
    scroll.replaceChildren(picture);
    keep();
  }
  choice.addEventListener("change", () => { brushes = new Map(); paint(); });
  redrawn.push(paint);
})();
