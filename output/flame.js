// SPDX-License-Identifier: Apache-2.0
// Zoom, search and keyboard of a flame graph. Without it the drawing in the page is shown whole, with titles.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const chart = document.getElementById("chart");
  const detail = document.getElementById("detail");
  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const reset = document.getElementById("reset");
  const step = data.base ? 5 : 4;
  const n = data.boxes.length / step;
  const ROW = 18, COLUMN = 6.65, SVG = "http://www.w3.org/2000/svg";
  const depth = new Int32Array(n), name = new Int32Array(n), value = new Float64Array(n), start = new Float64Array(n);
  const base = new Float64Array(n), parent = new Int32Array(n), end = new Int32Array(n), frames = new Int32Array(n);

  // Boxes are depth first: a box begins where the siblings before it end.
  (function unpack() {
    const path = [], cursor = [];
    for (let i = 0; i < n; i++) {
      const d = data.boxes[i * step];
      depth[i] = d;
      name[i] = data.boxes[i * step + 1];
      value[i] = data.boxes[i * step + 2];
      frames[i] = data.boxes[i * step + 3];
      base[i] = data.base ? data.boxes[i * step + 4] : 0;
      while (path.length > d) end[path.pop()] = i;
      parent[i] = d ? path[d - 1] : -1;
      start[i] = d ? cursor[d - 1] : 0;
      if (d) cursor[d - 1] += value[i];
      cursor[d] = start[i];
      path.push(i);
    }
    while (path.length) end[path.pop()] = n;
  })();

  let zoomed = 0, focused = 0, matches = null, drawn = new Map();

  // As the page's own figures: three digits, the first unit in which they have no more before the point.
  function figure(x) {
    const units = data.units, v = x / data.scale;
    let k = 0;
    while (k + 1 < units.length && Math.round(Math.abs(v) / units[k][0]) >= 1000) k++;
    const shown = v / units[k][0];
    const digits = k === 0 ? 0 : Math.abs(shown) < 9.995 ? 2 : Math.abs(shown) < 99.95 ? 1 : 0;
    return shown.toFixed(digits) + units[k][1] + (data.scale === 1 ? "" : " per token");
  }
  function percent(part, whole) {
    return whole ? (100 * part / whole).toFixed(2) + " %" : "-";
  }
  function change(i) {
    if (!data.base) return "";
    const by = base[i] ? ", " + (value[i] > base[i] ? "+" : "") + percent(value[i] - base[i], base[i]) : ", new";
    return "; was " + figure(base[i]) + by;
  }
  function textOf(i) {
    return data.names[name[i]][0];
  }
  function describe(i) {
    const of = data.names[name[i]];
    let text = textOf(i) + (frames[i] > 1 ? ", " + frames[i] + " frames" : "") + "\n" + figure(value[i]) + ", " +
      percent(value[i], value[0]) + " of all";
    if (zoomed && i !== zoomed) text += ", " + percent(value[i], value[zoomed]) + " of what is shown";
    text += change(i);
    return of[2] ? text + "\n" + of[2] : text;
  }

  function classOf(i) {
    let c = data.names[name[i]][1];
    if (data.base) {
      const larger = Math.max(value[i], base[i]), by = larger ? (value[i] - base[i]) / larger : 0;
      const level = [0.02, 0.1, 0.25, 0.6].filter((bound) => Math.abs(by) > bound).length;
      c = level ? (by < 0 ? "b" : "r") + level : "z";
    }
    return c + (matches && matches.has(i) ? " found" : "") + (i < zoomed ? " above" : "");
  }

  function box(i, x, width) {
    const g = document.createElementNS(SVG, "g");
    const rect = document.createElementNS(SVG, "rect");
    const title = document.createElementNS(SVG, "title");
    g.setAttribute("class", classOf(i));
    g.setAttribute("tabindex", i === focused ? "0" : "-1");
    g.dataset.box = i;
    rect.setAttribute("x", x.toFixed(2));
    rect.setAttribute("y", depth[i] * ROW);
    rect.setAttribute("width", Math.max(width > 1.2 ? width - 0.6 : width, 0.3).toFixed(2));
    rect.setAttribute("height", ROW - 1);
    rect.setAttribute("rx", 1);
    title.textContent = describe(i);
    g.append(title, rect);
    const columns = Math.floor((width - 8) / COLUMN);
    if (columns >= 3) {
      const text = document.createElementNS(SVG, "text"), letters = Array.from(textOf(i));
      text.setAttribute("x", (Math.max(x, 0) + 4).toFixed(1));
      text.setAttribute("y", depth[i] * ROW + ROW - 5);
      text.textContent = letters.length > columns ? letters.slice(0, columns - 2).join("") + ".." : letters.join("");
      g.append(text);
    }
    return g;
  }

  // What is narrower than half a pixel is left out of the drawing, never out of a sum.
  function draw() {
    const width = Math.max(chart.clientWidth, 320), scale = width / (value[zoomed] || 1), origin = start[zoomed];
    const svg = document.createElementNS(SVG, "svg");
    let deepest = 0;
    drawn = new Map();
    function put(i, x, w) {
      const g = box(i, x, w);
      svg.append(g);
      drawn.set(i, g);
      deepest = Math.max(deepest, depth[i]);
    }
    const above = [];
    for (let i = parent[zoomed]; i >= 0; i = parent[i]) above.push(i);
    for (const i of above.reverse()) put(i, 0, width);
    for (let i = zoomed; i < end[zoomed];) {
      const w = value[i] * scale;
      if (w < 0.5 && i !== zoomed) {
        i = end[i];
        continue;
      }
      put(i, (start[i] - origin) * scale, w);
      i++;
    }
    svg.setAttribute("class", "flame");
    svg.setAttribute("role", "group");
    svg.setAttribute("viewBox", "0 0 " + width + " " + (deepest + 1) * ROW);
    chart.replaceChildren(svg);
    reset.disabled = zoomed === 0;
  }

  function show(i) {
    detail.textContent = describe(i);
    detail.style.whiteSpace = "pre-line";
  }
  function focus(i) {
    const before = drawn.get(focused), now = drawn.get(i);
    if (!now) return;
    if (before) before.setAttribute("tabindex", "-1");
    focused = i;
    now.setAttribute("tabindex", "0");
    now.focus();
    show(i);
  }
  function zoom(i) {
    zoomed = i;
    focused = i;
    draw();
    focus(i);
  }

  function find() {
    const wanted = search.value.trim().toLowerCase();
    matches = null;
    found.textContent = "";
    if (wanted) {
      let sum = 0, until = 0;
      matches = new Set();
      for (let i = 0; i < n; i++) {
        const of = data.names[name[i]];
        if (!of[0].toLowerCase().includes(wanted) && !(of[2] || "").toLowerCase().includes(wanted)) continue;
        matches.add(i);
        if (i >= until) {
          sum += value[i];
          until = end[i];
        }
      }
      found.textContent = matches.size + " boxes, " + figure(sum) + ", " + percent(sum, value[0]) + " of all";
    }
    for (const [i, g] of drawn) g.setAttribute("class", classOf(i));
  }

  function sibling(i, step) {
    const all = Array.from(drawn.keys()).filter((k) => depth[k] === depth[i]);
    return all[all.indexOf(i) + step];
  }
  function child(i) {
    for (let k = i + 1; k < end[i]; k = end[k]) if (drawn.has(k)) return k;
    return undefined;
  }
  const keys = {
    ArrowLeft: (i) => sibling(i, -1),
    ArrowRight: (i) => sibling(i, 1),
    ArrowUp: (i) => (parent[i] >= 0 ? parent[i] : undefined),
    ArrowDown: child,
    Home: () => 0,
  };

  function boxOf(event) {
    const g = event.target.closest ? event.target.closest("g[data-box]") : null;
    return g ? Number(g.dataset.box) : -1;
  }
  chart.addEventListener("click", (event) => {
    const i = boxOf(event);
    if (i >= 0) zoom(i);
  });
  chart.addEventListener("mouseover", (event) => {
    const i = boxOf(event);
    if (i >= 0) show(i);
  });
  chart.addEventListener("keydown", (event) => {
    const i = boxOf(event);
    if (i < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      zoom(i);
    } else if (keys[event.key]) {
      const to = keys[event.key](i);
      if (to !== undefined) focus(to);
    } else {
      return;
    }
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== search) {
      search.focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      if (event.target === search || matches) {
        search.value = "";
        find();
      }
      if (zoomed) zoom(0);
    }
  });
  search.addEventListener("input", find);
  reset.addEventListener("click", () => zoom(0));
  window.addEventListener("resize", draw);
  document.getElementById("tools").hidden = false;
  document.getElementById("keys").hidden = false;
  draw();
  show(0);
})();
