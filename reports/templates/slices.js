// A setting against each objective, by defense: drawn of the columns that the table lists.
(() => {
  const place = document.getElementById("slices-view");
  const choice = document.createElement("select");
  choice.ariaLabel = "Setting";
  choice.append(...tried.settings.map(({ path }) => new Option(path, path, false, path === payload.views.slices.first)));
  const controls = document.createElement("div");
  controls.className = "controls";
  controls.append(choice);
  const plots = document.createElement("div");
  plots.className = "slices";
  place.append(controls, plots);
  const frame = { zeroline: false, showline: true, ticks: "outside", automargin: true };
  const clear = "rgba(0,0,0,0)";
  for (const name of Object.keys(tried.objectives)) {
    const plot = plots.appendChild(document.createElement("div"));
    plot.className = "plot";
    plot.dataset.objective = name;
  }

  // of marks that lie upon each other one, in cells of some 3 px, and of these no more than that
  function apart(rows, setting, values, most = 400) {
    const span = (own) => [Math.min(...own), Math.max(...own)];
    const scale = (value) => (setting.log ? Math.log(value) : value);
    const text = rows.some((row) => typeof setting.values[row] === "string");
    const [[left, right], [low, high]] = [span(text ? [0] : rows.map((row) => scale(setting.values[row]))), span(rows.map((row) => values[row]))];
    const cells = new Map();
    for (const row of rows) {
      const across = text ? setting.values[row] : Math.round(100 * (scale(setting.values[row]) - left) / (right - left || 1));
      const up = Math.round(70 * (values[row] - low) / (high - low || 1));
      cells.set(`${tried.kind[row] === "front"} ${across} ${up}`, row);
    }
    const step = Math.max(1, cells.size / most);
    const found = [...cells.values()].filter((row, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
    return rows.length > most ? found : rows;
  }

  function paint(printing = false) {
    const setting = tried.settings.find(({ path }) => path === choice.value);
    for (const plot of plots.children) {
      const values = tried.objectives[plot.dataset.objective];
      const rows = [...tried.trial.keys()].filter((row) => values[row] !== null && setting.values[row] !== null);
      const data = tried.defenses.map(({ group, colour: ink, symbol }, index) => {
        const own = apart(rows.filter((row) => tried.defense[row] === index), setting, values);
        return {
          type: "scatter", mode: "markers", showlegend: false, meta: "trials", hovertemplate: "%{hovertext}<extra></extra>",
          x: own.map((row) => setting.values[row]), y: own.map((row) => values[row]),
          customdata: own.map((row) => tried.trial[row]), legendgroup: group,
          marker: { symbol: own.map((row) => (tried.kind[row] === "front" ? symbol : `${symbol}-open`)), color: ink, size: 8 },
        };
      }).filter(({ x }) => x.length);
      const title = (text) => ({ text, font: { size: 12 }, standoff: 6 });
      drawFigure(plot, { data, layout: {
        template: {}, height: 280, margin: { l: 56, r: 8, t: 8, b: 44 }, paper_bgcolor: clear, plot_bgcolor: clear,
        hovermode: "closest", hoverlabel: { align: "left" },
        xaxis: { ...frame, type: setting.log ? "log" : undefined, title: title(setting.name) },
        yaxis: { ...frame, title: title(plot.dataset.objective), autorange: plot.dataset.objective === "ssim" ? "reversed" : true },
      } }, printing);
    }
  }
  choice.addEventListener("change", () => paint());
  redrawn.push(paint);
})();
