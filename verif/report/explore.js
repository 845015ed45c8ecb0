"use strict";
// A scatter plot of the points by two figures, filters, and a table that sorts. What is chosen is in
// the address (#plot?x=luts&y=sqnr_db), so that a view can be kept.
(() => {
  const { points, axes, order, plotted, varying } = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("choice");
  const chart = document.getElementById("chart");
  const legend = document.getElementById("legend");
  const detail = document.getElementById("detail");
  const rows = [...document.querySelectorAll("#table tbody tr")];
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f98"];
  const HIGH = 380;
  const EDGE = { left: 62, right: 18, top: 14, bottom: 44 };
  let picked = -1;

  function svg(name, attributes, parent, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  const fields = [...form.elements].filter((field) => field.name);
  const chosen = (name) => form.elements[name] && form.elements[name].value;

  function defaults() {
    for (const [name, wanted] of [["x", "luts"], ["y", "sqnr_db"]]) {
      const other = plotted.find((axis) => axis !== "luts") || plotted[0];
      if (plotted.length) form.elements[name].value = plotted.includes(wanted) ? wanted : other;
    }
    if (plotted.length > 1 && chosen("x") === chosen("y")) {
      form.elements.y.value = plotted.find((axis) => axis !== chosen("x"));
    }
  }

  function kept(point) {
    if (form.elements.front.checked && !point.front) return false;
    return fields.every((field) => !field.dataset.only || field.value === "*" ||
      point.own[field.dataset.only] === field.value);
  }

  // 1, 2 or 5 times a power of ten: about five of them.
  function ticks(low, high) {
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const found = [];
    for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-9); k += 1) found.push(k * step);
    return found;
  }

  const short = (n) => Number(n.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 });

  // The scale of an axis. Results without any error have no SQNR: they are beyond the others.
  function scale(axis, shown, from, to) {
    const known = shown.map((p) => p.figures[axis]).filter((v) => v !== null);
    let low = Math.min(...known);
    let high = Math.max(...known);
    if (!known.length) [low, high] = [0, 1];
    const beside = (p) => p.exact[axis] === true;
    const exact = shown.some(beside);
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    low -= low >= 0 && low - room < 0 ? low : room;
    high += room;
    const marks = ticks(low, high).map((value) => [value, short(value)]);
    const beyond = high + room;
    if (exact) {
      marks.push([beyond, "exact"]);
      high = beyond + room;
    }
    const place = (value) => from + ((value - low) / (high - low)) * (to - from);
    const of = (p) => (beside(p) ? beyond : p.figures[axis]);
    return { place, of, marks };
  }

  const words = (point) => varying.filter((name) => point.own[name] !== "")
    .map((name) => `${name}=${point.own[name]}`).join(" ");

  function show(k) {
    picked = k;
    const point = points[k];
    detail.replaceChildren();
    const title = document.createElement("b");
    title.textContent = words(point) || "the one point";
    const figures = document.createElement("div");
    const figure = (name) => point.accuracy[name] || short(point.figures[name]);
    const told = order.filter((name) => point.accuracy[name] || point.figures[name] !== null)
      .map((name) => `${axes[name]}: ${figure(name)}`);
    figures.textContent = [...told,
      point.front ? "on the front" : "not on the front"].join("; ");
    const replay = document.createElement("code");
    replay.textContent = point.replay;
    detail.append(title, figures, replay);
    for (const each of document.querySelectorAll("[data-k]")) {
      each.classList.toggle("picked", Number(each.dataset.k) === k);
    }
  }

  function colours(name, shown) {
    const values = [...new Set(shown.map((p) => (name ? p.own[name] : "")))];
    return new Map(values.map((value, k) => [value, COLOURS[k % COLOURS.length]]));
  }

  function draw() {
    const shown = points.filter(kept);
    for (const row of rows) row.hidden = !kept(points[Number(row.dataset.k)]);
    chart.replaceChildren();
    legend.replaceChildren();
    if (!plotted.length) {
      chart.textContent = "All points have the same figures: there is nothing to plot.";
      document.getElementById("shown").textContent = `${shown.length} of ${points.length}`;
      return;
    }
    const width = Math.max(240, chart.clientWidth);
    const area = svg("svg", { width, height: HIGH, role: "group",
      "aria-label": `${axes[chosen("y")]} by ${axes[chosen("x")]}` }, chart);
    const right = width - EDGE.right;
    const bottom = HIGH - EDGE.bottom;
    const x = scale(chosen("x"), shown, EDGE.left, right);
    const y = scale(chosen("y"), shown, bottom, EDGE.top);
    for (const [value, text] of x.marks) {
      const at = x.place(value);
      svg("line", { class: "grid", x1: at, x2: at, y1: EDGE.top, y2: bottom }, area);
      svg("text", { class: "axis", x: at, y: bottom + 16, "text-anchor": "middle" }, area, text);
    }
    for (const [value, text] of y.marks) {
      const at = y.place(value);
      svg("line", { class: "grid", x1: EDGE.left, x2: right, y1: at, y2: at }, area);
      svg("text", { class: "axis", x: EDGE.left - 6, y: at + 4, "text-anchor": "end" }, area, text);
    }
    svg("text", { class: "axis", x: right, y: HIGH - 6, "text-anchor": "end" }, area,
      axes[chosen("x")]);
    svg("text", { class: "axis", x: 12, y: bottom, transform: `rotate(-90 12 ${bottom})` }, area,
      axes[chosen("y")]);
    const name = chosen("colour");
    const palette = colours(name, points);
    let marks = 0;
    // Those on the front come last, on top.
    for (const point of [...shown].sort((a, b) => a.front - b.front)) {
      const [across, up] = [x.of(point), y.of(point)];
      if (across === null || up === null) continue;
      marks += 1;
      const k = points.indexOf(point);
      const colour = palette.get(name ? point.own[name] : "");
      const mark = svg("circle", { class: point.front ? "mark front" : "mark", "data-k": k,
        cx: x.place(across), cy: y.place(up), r: point.front ? 7 : 5, stroke: colour,
        fill: point.front ? colour : "transparent", tabindex: 0, role: "img" }, area);
      svg("title", {}, mark, words(point));
      for (const event of ["pointerenter", "focus", "click"]) {
        mark.addEventListener(event, () => show(k));
      }
    }
    for (const [value, colour] of name ? palette : []) {
      const item = document.createElement("span");
      const key = document.createElement("span");
      key.className = "key";
      key.style.background = colour;
      item.append(key, `${name}=${value || "none"} `);
      legend.append(item);
    }
    legend.append("Filled: on the front.");
    const without = shown.length - marks;
    document.getElementById("shown").textContent = `${shown.length} of ${points.length}` +
      (without ? `; ${without} without these figures` : "");
    if (picked >= 0) show(picked);
  }

  function state() {
    const kept = new URLSearchParams();
    for (const field of fields) {
      const value = field.type === "checkbox" ? (field.checked ? "1" : "") : field.value;
      if (value && value !== "*") kept.set(field.name, value);
    }
    return kept.toString();
  }

  function changed() {
    history.replaceState(null, "", `#plot?${state()}`);
    draw();
  }

  function restore() {
    const query = location.hash.split("?")[1];
    if (query === undefined) return;
    for (const [name, value] of new URLSearchParams(query)) {
      const field = form.elements[name];
      if (!field) continue;
      if (field.type === "checkbox") field.checked = value === "1";
      else if ([...field.options].some((option) => option.value === value)) field.value = value;
    }
  }

  function sort(column, header) {
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const each of header.parentNode.children) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.children[column].textContent.trim();
    const number = (text) => (text === "exact" ? Infinity : parseFloat(text));
    const order = (a, b) => {
      const [p, q] = [number(value(a)), number(value(b))];
      if (!Number.isNaN(p) && !Number.isNaN(q)) return p === q ? 0 : p - q;
      return value(a).localeCompare(value(b));
    };
    rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
    document.querySelector("#table tbody").append(...rows);
  }

  [...document.querySelectorAll("#table th")].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    header.replaceChildren(button);
    button.addEventListener("click", () => sort(column, header));
  });
  for (const row of rows) row.addEventListener("click", () => show(Number(row.dataset.k)));
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => {
    defaults();
    changed();
  }));
  window.addEventListener("hashchange", () => {
    restore();
    draw();
  });
  defaults();
  restore();
  let before = 0;
  new ResizeObserver(() => {
    if (chart.clientWidth === before) return;
    before = chart.clientWidth;
    draw();
  }).observe(chart);
})();
