"use strict";
const payload = JSON.parse(document.getElementById("payload").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");

function colour(name, printing) {
  const paper = { "--ink": "#1c2126", "--rule": "#dfe3e8", "--card": "#ffffff" };
  return printing ? paper[name] : getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function themed(figure, printing) {
  const [ink, rule, card] = ["--ink", "--rule", "--card"].map((name) => colour(name, printing));
  const layout = structuredClone(figure.layout);
  layout.font = { color: ink, family: "system-ui, sans-serif", size: 13 };
  layout.hoverlabel = { ...layout.hoverlabel, bgcolor: card, bordercolor: rule, font: { color: ink } };
  for (const axis of [layout.xaxis, layout.yaxis]) {
    Object.assign(axis, { gridcolor: rule, linecolor: rule, tickcolor: rule });
  }
  return { data: structuredClone(figure.data), layout };
}

function draw(printing) {
  for (const [id, figure] of Object.entries(payload)) {
    const { data, layout } = themed(figure, printing);
    Plotly.react(id, data, layout, { responsive: true, displayModeBar: false });
  }
}

draw(false);
dark.addEventListener("change", () => draw(false));
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw(false));
