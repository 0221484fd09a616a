const payload = JSON.parse(document.getElementById("payload").textContent);
const family = "system-ui, sans-serif";
const paper = { "--ink": "#1c2126", "--rule": "#dfe3e8", "--card": "#ffffff" };
const hidden = new Set();
const tried = payload.tried;
const passing = new Set(tried?.trial.keys()); // what the brushes of the parallel coordinates keep
let relist = () => {}; // fills the table of what was tried

function colour(name, printing) {
  return printing ? paper[name] : getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// of a trial that the page does not list there is its number and its place
function told(trial, trace, index, layout) {
  const name = (axis) => axis.title?.text?.split(" ")[0] ?? "";
  const place = [[layout.xaxis, trace.x], [layout.yaxis, trace.y]].map(([axis, values]) => `${name(axis)} ${values[index]}`);
  return payload.hovers[trial] ?? `trial ${trial}: ${trace.legendgroup}<br>${place.join(", ")}`;
}

function themed(figure, printing, narrow) {
  const [ink, rule, card] = ["--ink", "--rule", "--card"].map((name) => colour(name, printing));
  const layout = structuredClone(figure.layout);
  layout.font = { color: ink, family, size: narrow ? 11 : 13 };
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: rule, font: { color: ink, family } };
  for (const axis of [layout.xaxis, layout.yaxis]) {
    Object.assign(axis, { gridcolor: rule, linecolor: rule, tickcolor: rule });
    if (narrow && axis.title) axis.title.font = { size: 11 };
  }
  const data = structuredClone(figure.data);
  for (const trace of data) {
    if (trace.meta === "trials") trace.hovertext = trace.customdata.map((trial, index) => told(trial, trace, index, layout));
    if (hidden.has(trace.legendgroup)) trace.visible = false;
  }
  const named = data.filter((trace) => trace.name && trace.showlegend !== false);
  if (narrow && named.length > 8) layout.showlegend = false; // it would leave no room for the figure
  if (narrow) layout.annotations?.forEach((note) => { note.font.size = 9; });
  return { data, layout };
}

// from scratch: plotly places the legend wrongly when a drawn figure changes its width
function drawFigure(place, figure, printing = false) {
  if (!globalThis.Plotly) unpack();
  const { data, layout } = themed(figure, printing, place.clientWidth < 560);
  Plotly.newPlot(place, data, layout, { displayModeBar: false });
  place.on("plotly_hover", (event) => {
    const { data: trace, pointNumber } = event.points[0];
    if (trace.meta === "trials") thumbnails(trace.customdata[pointNumber], event.event);
  });
  place.on("plotly_unhover", () => tip.replaceChildren());
}

// what the page has of a trial's reconstructions, beside the pointer
const tip = document.body.appendChild(document.createElement("div"));
tip.id = "tip";
function thumbnails(trial, pointer) {
  const images = document.querySelectorAll(`.gallery[data-trial="${Number(trial)}"] img`);
  tip.replaceChildren(...[...images].map((image) => image.cloneNode()));
  const left = Math.min(pointer.clientX + 12, innerWidth - tip.offsetWidth - 8);
  Object.assign(tip.style, { left: `${Math.max(8, left)}px`, top: `${Math.max(8, pointer.clientY - tip.offsetHeight - 24)}px` });
}

const redrawn = [];
const points = Object.values(payload.figures).flatMap(({ data }) => data).reduce((sum, { x }) => sum + (x?.length ?? 0), 0);
const crowded = points > 8000; // so that the page answers meanwhile, figures are then drawn one after another, once it is there
let turn = 0;
function draw(printing) {
  const figures = Object.entries(payload.figures);
  const steps = figures.map(([id, figure]) => () => drawFigure(document.getElementById(id), figure, printing));
  steps.push(...redrawn.map((again) => () => again(printing)));
  const own = turn += 1; // a later drawing ends this one
  const next = () => {
    if (own !== turn) return;
    const step = steps.shift();
    if (steps.length) setTimeout(next); // before this one, which may fail: the others come
    step?.();
  };
  if (printing || !crowded) {
    for (const step of steps) {
      try { step(); } catch (error) { reportError(error); } // the others come
    }
  }
  else next();
}

document.getElementById("legend")?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const shown = hidden.delete(button.dataset.group) || !hidden.add(button.dataset.group);
  button.setAttribute("aria-pressed", String(shown));
  draw(false);
});

let waiting = 0;
let width = innerWidth;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(false));
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw(false));
addEventListener("resize", () => {
  if (innerWidth === width) return; // a phone's address bar comes and goes
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(() => draw(false), 150);
});
addEventListener(crowded ? "load" : "DOMContentLoaded", () => (crowded ? setTimeout(draw) : draw(false)));
