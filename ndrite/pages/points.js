"use strict";
// The list is the selection: plot and YAML follow it, and the keyboard reaches it.
const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const plot = at("plot"), list = at("points");
const dark = matchMedia("(prefers-color-scheme: dark)");
const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const chosen = () => [...list.selectedOptions].map((option) => option.index);
const shown = (value) => typeof value === "number" ? String(Number(value.toPrecision(5))) : String(value);

data.points.forEach((point) => list.add(new Option(point.label)));
at("x").value = data.x;
at("y").value = data.y;
at("colour").value = data.colour ?? "";

// Points that none other beats on both axes, best of the first axis first; of several alike the first stays.
function front(x, y) {
  const sign = [x, y].map((q) => ({ high: -1, low: 1 })[data.quantities[q][1]]);
  if (x === y || sign.includes(undefined)) return [];
  const value = (i, q, s) => s * data.points[i].values[q];
  const order = data.points.map((_, i) => i);
  order.sort((a, b) => value(a, x, sign[0]) - value(b, x, sign[0]) || value(a, y, sign[1]) - value(b, y, sign[1]));
  const kept = [];
  for (const i of order) {
    if (!kept.length || value(i, y, sign[1]) < value(kept.at(-1), y, sign[1])) kept.push(i);
  }
  return kept;
}

function marker(q) {
  const base = { size: 9, line: { width: 1, color: colourOf("--soft") } };
  if (q === "") return { ...base, color: colourOf("--link") };
  const values = data.points.map((point) => point.values[q]);
  const bar = { title: { text: data.quantities[q][0], side: "right" }, thickness: 12 };
  if (values.every((value) => typeof value === "number")) {
    return { ...base, color: values, colorscale: "Viridis", colorbar: bar };
  }
  const kinds = [...new Set(values)];
  const ticks = { tickvals: kinds.map((_, i) => i), ticktext: kinds.map(shown) };
  const color = values.map((value) => kinds.indexOf(value));
  return { ...base, color, colorscale: "Viridis", colorbar: { ...bar, ...ticks } };
}

function axis(q, logarithmic) {
  const words = data.points.some((point) => typeof point.values[q] !== "number");
  return {
    title: { text: data.quantities[q][0] }, type: words ? "category" : logarithmic ? "log" : "linear",
    gridcolor: colourOf("--line"), zerolinecolor: colourOf("--line"), automargin: true,
  };
}

function draw() {
  const x = Number(at("x").value), y = Number(at("y").value);
  const of = (q, some) => some.map((i) => data.points[i].values[q]);
  const every = data.points.map((_, i) => i), best = front(x, y), taken = chosen();
  const bars = (q) => ({
    array: data.points.map((point) => point.half), thickness: 1,
    visible: q === 0 && data.points.some((point) => point.half), color: colourOf("--soft"),
  });
  const hover = data.points.map((point) =>
    data.quantities.map((quantity, q) => `${quantity[0]}: ${shown(point.values[q])}`).join("<br>"));
  const traces = [
    { type: "scatter", mode: "lines", x: of(x, best), y: of(y, best), hoverinfo: "skip",
      line: { color: "#c8553d", width: 2, shape: data.quantities[x][1] === "low" ? "hv" : "linear" } },
    { type: "scatter", mode: "markers", x: of(x, every), y: of(y, every), text: hover, marker: marker(at("colour").value),
      hovertemplate: "%{text}<extra></extra>", error_x: bars(x), error_y: bars(y) },
    { type: "scatter", mode: "markers", x: of(x, taken), y: of(y, taken), hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 17, color: colourOf("--ink"), line: { width: 3 } } },
  ];
  Plotly.react(plot, traces, {
    xaxis: axis(x, at("log-x").checked), yaxis: axis(y, at("log-y").checked), showlegend: false,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colourOf("--text") },
    margin: { l: 50, r: 16, t: 30, b: 44 }, dragmode: "pan", hoverlabel: { align: "left" },
  }, { responsive: true, displaylogo: false, modeBarButtonsToAdd: ["select2d", "lasso2d"] });
}

// One point has a text of its own; of several, every field lists its values.
function yaml(taken) {
  if (taken.length === 1) return data.points[taken[0]].yaml;
  const lists = {};
  for (const i of taken) {
    for (const [field, value] of Object.entries(data.points[i].fields)) {
      const entries = value !== null && typeof value === "object" ? value : { "": value };
      for (const [name, one] of Object.entries(entries)) ((lists[field] ??= {})[name] ??= new Set()).add(one);
    }
  }
  const flow = (set) => JSON.stringify([...set]).replaceAll(",", ", ");
  return data.head + Object.entries(lists).map(([field, names]) => `${field}:` + Object.entries(names)
    .map(([name, set]) => name ? `\n  ${name}: ${flow(set)}` : ` ${flow(set)}`).join("") + "\n").join("");
}

function told() {
  const taken = chosen();
  at("yaml").value = taken.length ? yaml(taken) : "";
  at("said").textContent = taken.length === 1 ? data.points[taken[0]].label
    : `${taken.length || "No"} points are selected.`;
  draw();
}

function take(some, keep) {
  for (const option of list.options) option.selected = some.includes(option.index) || (keep && option.selected);
  told();
}

for (const id of ["x", "y", "colour", "log-x", "log-y"]) at(id).addEventListener("change", draw);
list.addEventListener("change", told);
dark.addEventListener("change", draw);
at("copy").addEventListener("click", async () => {
  at("yaml").select();
  await navigator.clipboard.writeText(at("yaml").value).then(
    () => { at("said").textContent = "Copied."; },
    () => { at("said").textContent = "This browser lets no page copy: press Ctrl+C, the text is marked."; });
});
at("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.download = "selection.yaml";
  link.href = URL.createObjectURL(new Blob([at("yaml").value], { type: "text/yaml" }));
  link.click();
});
draw();
plot.on("plotly_click", (event) => take(event.points.filter((p) => p.curveNumber === 1).map((p) => p.pointNumber),
  event.event.shiftKey || event.event.ctrlKey));
plot.on("plotly_selected", (event) => event && take(
  event.points.filter((p) => p.curveNumber === 1).map((p) => p.pointNumber), false));
