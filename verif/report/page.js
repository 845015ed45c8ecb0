"use strict";
// Pages by the address' hash (#summary, #runs?unit=mac&status=open, #unit-mac), filters, heat maps.
(() => {
  const heat = JSON.parse(document.getElementById("heat-data").textContent);
  const form = document.getElementById("filters");
  const rows = [...document.querySelectorAll("#runs tbody tr")];
  const fields = ["unit", "method", "status", "text"];
  document.body.classList.add("paged");

  function filter() {
    const wanted = Object.fromEntries(fields.map((f) => [f, form.elements[f].value]));
    const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const keep =
        ["unit", "method", "status"].every((f) => !wanted[f] || row.dataset[f] === wanted[f]) &&
        words.every((word) => text.includes(word));
      row.hidden = !keep;
      shown += keep;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
  }

  function route() {
    const [name, query] = decodeURI(location.hash.slice(1)).split("?");
    const page = document.getElementById(name);
    const current = page && page.classList.contains("page") ? page : document.getElementById("summary");
    for (const each of document.querySelectorAll(".page")) {
      each.classList.toggle("current", each === current);
    }
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash === `#${current.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.getElementById("go").value = current.id.startsWith("unit-") ? current.id.slice(5) : "";
    if (current.id === "runs") {
      const given = new URLSearchParams(query || "");
      for (const f of fields) form.elements[f].value = given.get(f) || "";
      filter();
    }
    for (const box of current.querySelectorAll(".heat")) {
      if (!box.dataset.drawn) draw(box);
    }
  }

  function changed() {
    const kept = new URLSearchParams();
    for (const f of fields) if (form.elements[f].value) kept.set(f, form.elements[f].value);
    const query = kept.toString();
    history.replaceState(null, "", `#runs${query ? `?${query}` : ""}`);
    filter();
  }

  function element(name, text, parent) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  }

  function short(n) {
    if (n < 1e3) return String(n);
    if (n < 1e6) return `${(n / 1e3).toFixed(n < 1e4 ? 1 : 0)}k`;
    return `${(n / 1e6).toFixed(1)}M`;
  }

  function fill(cell, count, where) {
    if (count === -1) return;
    cell.title = where;
    if (count === -2) {
      cell.className = "never";
      cell.textContent = "·";
      cell.title += ": cannot be";
    } else if (count === 0) {
      cell.className = "hole";
      cell.textContent = "0";
      cell.title += ": not hit";
    } else {
      const share = Math.min(60, 8 + 9 * Math.log10(count));
      cell.style.background = `color-mix(in srgb, var(--heat) ${share}%, var(--bg))`;
      cell.textContent = short(count);
      cell.title += `: ${count.toLocaleString("en")}`;
    }
  }

  // One table for the last two points of a cross, a table for each bin of the points before.
  function maps(cross, counts, parent) {
    const { points, bins } = cross;
    const sizes = bins.map((b) => b.length);
    const columns = sizes.at(-1);
    const lines = sizes.length > 1 ? sizes.at(-2) : 1;
    const area = columns * lines;
    for (let start = 0; start < counts.length; start += area) {
      const part = counts.slice(start, start + area);
      if (part.every((n) => n === -1)) continue;
      const table = element("table", undefined, element("div", undefined, parent));
      const outer = [];
      let rest = start / area;
      for (let p = sizes.length - 3; p >= 0; p -= 1) {
        outer.unshift(`${points[p]}: ${bins[p][rest % sizes[p]]}`);
        rest = Math.floor(rest / sizes[p]);
      }
      const title = outer.length ? `${outer.join(", ")}; ` : "";
      const across = sizes.length > 1 ? `${points.at(-2)} by ${points.at(-1)}` : points[0];
      element("caption", title + across, table);
      const head = element("tr", undefined, element("thead", undefined, table));
      if (sizes.length > 1) element("th", "", head);
      const used = [...Array(columns).keys()].filter((c) =>
        [...Array(lines).keys()].some((r) => part[r * columns + c] !== -1));
      for (const c of used) element("th", bins.at(-1)[c], head);
      const body = element("tbody", undefined, table);
      for (let r = 0; r < lines; r += 1) {
        if (used.every((c) => part[r * columns + c] === -1)) continue;
        const row = element("tr", undefined, body);
        const name = sizes.length > 1 ? bins.at(-2)[r] : "";
        if (sizes.length > 1) element("th", name, row);
        for (const c of used) {
          const where = [...outer, name && `${points.at(-2)}: ${name}`,
            `${points.at(-1)}: ${bins.at(-1)[c]}`].filter(Boolean).join(", ");
          fill(element("td", undefined, row), part[r * columns + c], where);
        }
      }
    }
  }

  function draw(box) {
    box.dataset.drawn = "1";
    box.replaceChildren();
    const crosses = heat[box.dataset.unit] || [];
    const found = new Set(crosses.flatMap((c) => Object.keys(c.by)));
    found.delete("all");
    const roundings = ["all", ...[...found].sort()];
    const label = element("label", "Rounding ", box);
    const select = element("select", undefined, label);
    for (const name of roundings) element("option", name, select);
    label.hidden = roundings.length < 2;
    const target = element("div", undefined, box);
    const show = () => {
      target.replaceChildren();
      for (const cross of crosses) {
        const counts = cross.by[select.value];
        if (!counts) continue;
        const hit = counts.filter((n) => n > 0).length;
        const all = counts.filter((n) => n >= 0).length;
        const block = element("div", undefined, target);
        block.className = "cross";
        element("b", `${cross.name}: ${hit} of ${all} bins`, block);
        const grid = element("div", undefined, block);
        grid.className = "maps";
        maps(cross, counts, grid);
      }
    };
    select.addEventListener("change", show);
    show();
  }

  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(changed));
  document.getElementById("go").addEventListener("change", (event) => {
    if (event.target.value) location.hash = `#unit-${event.target.value}`;
  });
  window.addEventListener("hashchange", route);
  route();
})();
