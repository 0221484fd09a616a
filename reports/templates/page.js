"use strict";
const payload = JSON.parse(document.getElementById("payload").textContent);
const family = "system-ui, sans-serif";
const paper = { "--ink": "#1c2126", "--rule": "#dfe3e8", "--card": "#ffffff" };

function colour(name, printing) {
  return printing ? paper[name] : getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function themed(figure, printing, narrow) {
  const [ink, rule, card] = ["--ink", "--rule", "--card"].map((name) => colour(name, printing));
  const layout = structuredClone(figure.layout);
  layout.font = { color: ink, family, size: narrow ? 11 : 13 };
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: rule, font: { color: ink, family } };
  for (const axis of [layout.xaxis, layout.yaxis]) {
    Object.assign(axis, { gridcolor: rule, linecolor: rule, tickcolor: rule });
    if (narrow) axis.title.font.size = 11;
  }
  const named = figure.data.filter((trace) => trace.name && trace.showlegend !== false);
  if (narrow && named.length > 8) layout.showlegend = false; // it would leave no room for the figure
  if (narrow) layout.annotations?.forEach((note) => { note.font.size = 9; });
  return { data: structuredClone(figure.data), layout };
}

// from scratch: plotly places the legend wrongly when a drawn figure changes its width
function draw(printing) {
  for (const [id, figure] of Object.entries(payload)) {
    const narrow = document.getElementById(id).clientWidth < 560;
    const { data, layout } = themed(figure, printing, narrow);
    Plotly.newPlot(id, data, layout, { displayModeBar: false });
  }
}

let waiting = 0;
let width = innerWidth;
draw(false);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(false));
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw(false));
addEventListener("resize", () => {
  if (innerWidth === width) return; // a phone's address bar comes and goes
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(() => draw(false), 150);
});
