"use strict";
// Plots whose values can be read at the cursor, that can be zoomed, and whose runs can be switched off.
// A plot says in data-x and data-y what its axes are ("<scale> <low> <high>"); its moving part is svg.area.
(() => {
  const STEPS = 100; // of the cursor from one end to the other by arrow keys
  const LEAST = 0.02; // share of an axis that a zoom shows at least

  class Axis {
    constructor(text, name) {
      const [scale, low, high] = text.split(" ");
      this.log = scale === "log";
      this.name = name;
      this.low = this.log ? Math.log(+low) : +low;
      this.high = this.log ? Math.log(+high) : +high;
    }
    value(share) {
      const value = this.low + share * (this.high - this.low);
      return this.log ? Math.exp(value) : value;
    }
    share(value) {
      return ((this.log ? Math.log(value) : value) - this.low) / (this.high - this.low);
    }
    // Round numbers between two shares, eight of them at most; powers of ten where there are several.
    ticks(from, to) {
      const low = this.value(from), high = this.value(to);
      if (this.log && high / low >= 100) {
        const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
        return Array.from({ length: last - first + 1 }, (_, place) => +(10 ** (first + place)).toPrecision(6));
      }
      const rough = (high - low) / 8, power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
      const found = [];
      for (let place = Math.ceil(low / step); place * step <= high; place++) found.push(+(place * step).toPrecision(6));
      return found;
    }
  }

  const text = (value) => {
    const size = Math.abs(value);
    if (size >= 1000) return Math.round(value).toLocaleString("en");
    return (size && size < 0.01 ? +value.toPrecision(2) : +value.toFixed(size >= 100 ? 1 : 3)) + "";
  };

  class Chart {
    constructor(svg) {
      this.svg = svg;
      this.area = svg.querySelector("svg.area");
      this.base = this.area.getAttribute("viewBox").split(" ").map(Number);
      const [nameX, nameY] = svg.dataset.names.split("|");
      this.x = new Axis(svg.dataset.x, nameX);
      this.y = new Axis(svg.dataset.y, nameY);
      this.ticks = ["ticks-x", "ticks-y"].map((name) => svg.querySelector(`.${name}`));
      this.still = this.ticks.map((group) => group.innerHTML);
      this.group = svg.closest("[data-charts]");
      this.lines = [...this.area.querySelectorAll("path.line:not(.faint)")].map((path) => ({ path, points: this.points(path) }));
      this.spots = [...this.area.querySelectorAll("path.spot")]
        .map((path) => ({ path, at: this.points(path)[0] }))
        .sort((a, b) => a.at[0] - b.at[0]);
      this.cursor = 0.5;
      this.chosen = 0;
      this.build();
      this.reset();
      this.show(); // as high as it gets, so that nothing below moves
      this.readout.style.minHeight = `${this.readout.offsetHeight}px`;
      this.hide();
    }

    // Points of a path "Mx yLx y..." as shares of both axes.
    points(path) {
      const [left, top, width, height] = this.base;
      const d = path.getAttribute("d").slice(1).split("h")[0];
      return d ? d.split("L").map((each) => {
        const [x, y] = each.split(" ").map(Number);
        return [(x - left) / width, 1 - (y - top) / height];
      }) : [];
    }

    build() {
      this.rule = this.shape("path", "cursor");
      this.frame = this.shape("rect", "selection");
      this.readout = document.createElement("div");
      this.readout.className = "readout";
      const tools = document.createElement("div");
      tools.className = "tools";
      const named = [["+", "Zoom in", () => this.zoom(0.5)], ["−", "Zoom out", () => this.zoom(2)], ["Reset", "Whole plot", () => this.reset()]];
      for (const [label, title, act] of named) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = label;
        button.title = title;
        button.setAttribute("aria-label", `${title}: ${this.svg.getAttribute("aria-label")}`);
        button.addEventListener("click", act);
        tools.append(button);
      }
      this.svg.after(this.readout);
      this.svg.before(tools);
      const settings = { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": STEPS };
      for (const [name, value] of Object.entries(settings)) this.svg.setAttribute(name, value);
      this.svg.addEventListener("pointermove", (event) => this.moved(event));
      this.svg.addEventListener("pointerdown", (event) => this.pressed(event));
      this.svg.addEventListener("pointerup", (event) => this.released(event));
      this.svg.addEventListener("pointercancel", () => this.drag(null));
      this.svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !this.start && document.activeElement !== this.svg) this.hide(); });
      this.svg.addEventListener("focus", () => { if (this.svg.matches(":focus-visible")) this.show(); });
      this.svg.addEventListener("blur", () => this.hide());
      this.svg.addEventListener("keydown", (event) => this.key(event));
    }

    shape(name, kind) {
      const made = document.createElementNS(this.svg.namespaceURI, name);
      made.setAttribute("class", kind);
      this.area.append(made);
      return made;
    }

    // Where a pointer is, as shares of both axes.
    place(event) {
      const box = this.svg.getBoundingClientRect(), whole = this.svg.viewBox.baseVal;
      const [left, top, width, height] = this.base, { x, y, w, h } = this.view;
      const across = ((event.clientX - box.left) / box.width * whole.width - left) / width;
      const up = 1 - ((event.clientY - box.top) / box.height * whole.height - top) / height;
      const within = (share) => Math.min(1, Math.max(0, share));
      return [x + within(across) * w, y + within(up) * h];
    }

    moved(event) {
      const at = this.place(event);
      if (this.start) this.drag(at);
      this.cursor = at[0];
      this.chosen = this.nearest(at);
      this.show();
    }

    pressed(event) {
      this.moved(event);
      if (event.pointerType === "mouse" && event.button === 0) {
        this.start = this.place(event);
        this.svg.setPointerCapture(event.pointerId);
      }
    }

    released(event) {
      if (!this.start) return;
      const [a, b] = [this.start, this.place(event)];
      const w = Math.abs(a[0] - b[0]), h = Math.abs(a[1] - b[1]);
      this.drag(null);
      if (w > LEAST * this.view.w && h > LEAST * this.view.h) this.look(Math.min(a[0], b[0]), Math.min(a[1], b[1]), w, h);
    }

    drag(to) {
      if (!to) {
        this.start = null;
        this.frame.removeAttribute("width");
        return;
      }
      const [left, top, width, height] = this.base, from = this.start;
      const numbers = {
        x: left + Math.min(from[0], to[0]) * width, y: top + (1 - Math.max(from[1], to[1])) * height,
        width: Math.abs(from[0] - to[0]) * width, height: Math.abs(from[1] - to[1]) * height,
      };
      for (const [name, value] of Object.entries(numbers)) this.frame.setAttribute(name, value);
    }

    key(event) {
      const acts = {
        ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), Home: () => this.step(-Infinity), End: () => this.step(Infinity),
        "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.reset(), Escape: () => this.reset(),
      };
      if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[event.key]();
      this.show();
    }

    step(by) {
      const { x, w } = this.view, spots = this.visible(this.spots);
      this.cursor = Math.min(x + w, Math.max(x, this.cursor + by * w / STEPS));
      this.chosen = Math.min(spots.length - 1, Math.max(0, this.chosen + by));
    }

    visible(parts) {
      return parts.filter((each) => !each.path.classList.contains("off"));
    }

    nearest([x, y]) {
      const far = (each) => ((each.at[0] - x) / this.view.w) ** 2 + ((each.at[1] - y) / this.view.h) ** 2;
      const distances = this.visible(this.spots).map(far);
      return distances.indexOf(Math.min(...distances));
    }

    // The value of a line at the cursor; null before its first point and behind its last one.
    value(points) {
      if (!points.length || this.cursor < points[0][0] - 0.01 || this.cursor > points.at(-1)[0] + 1e-4) return null;
      const next = points.findIndex((each) => each[0] >= this.cursor);
      if (next <= 0) return this.y.value(points.at(next)[1]);
      const [a, b] = [points[next - 1], points[next]];
      return this.y.value(a[1] + (b[1] - a[1]) * (this.cursor - a[0]) / (b[0] - a[0]));
    }

    show() {
      const [left, top, width, height] = this.base, spot = this.visible(this.spots)[this.chosen];
      const share = this.spots.length ? spot?.at[0] ?? 0 : this.cursor;
      this.rule.setAttribute("d", `M${left + share * width} ${top}v${height}`);
      const parts = this.spots.length
        ? [[spot?.path, spot?.path.dataset.label ?? "no run is shown"]]
        : [[null, `${this.x.name} ${text(this.x.value(share))}`], ...this.visible(this.lines).map(({ path, points }) => {
          const value = this.value(points);
          return [path, `${this.name(path)} ${value === null ? "–" : text(value)}`];
        })];
      this.readout.replaceChildren(...parts.map(([path, label]) => this.entry(path, label)));
      this.svg.setAttribute("aria-valuenow", Math.round(share * STEPS));
      this.svg.setAttribute("aria-valuetext", parts.map(([, label]) => label).join(", "));
    }

    hide() {
      this.rule.removeAttribute("d");
      this.readout.textContent = this.spots.length ? "Point at a run to read its values." : "Point at the curve to read it, drag to zoom.";
    }

    entry(path, label) {
      const made = document.createElement("span");
      if (path) {
        const swatch = document.createElement("span");
        swatch.className = "swatch";
        swatch.style.background = path.style.stroke;
        made.append(swatch);
      }
      made.append(label);
      return made;
    }

    name(path) {
      return this.group.querySelector(`.toggle[data-run="${path.dataset.run}"]`)?.textContent.trim() ?? this.y.name;
    }

    zoom(by) {
      const { x, y, w, h } = this.view, wide = Math.min(1, Math.max(LEAST, w * by)), high = Math.min(1, Math.max(LEAST, h * by));
      const line = this.visible(this.lines)[0], value = line ? this.value(line.points) : null;
      const spot = this.visible(this.spots)[this.chosen];
      const centre = spot?.at ?? [this.cursor, value === null ? y + h / 2 : this.y.share(value)];
      this.look(centre[0] - wide / 2, centre[1] - high / 2, wide, high);
    }

    look(x, y, w, h) {
      this.view = { x: Math.min(1 - w, Math.max(0, x)), y: Math.min(1 - h, Math.max(0, y)), w, h };
      const [left, top, width, height] = this.base, view = this.view;
      this.area.setAttribute("viewBox", [left + view.x * width, top + (1 - view.y - h) * height, w * width, h * height].join(" "));
      const whole = w === 1 && h === 1;
      this.svg.classList.toggle("zoomed", !whole);
      this.ticks.forEach((group, place) => { group.innerHTML = whole ? this.still[place] : this.drawn(place === 0); });
      this.cursor = Math.min(view.x + w, Math.max(view.x, this.cursor));
    }

    // The grid of a zoomed axis.
    drawn(across) {
      const [left, top, width, height] = this.base, { x, y, w, h } = this.view, axis = across ? this.x : this.y;
      const [from, size] = across ? [x, w] : [y, h];
      return axis.ticks(from, from + size).map((value) => {
        const share = (axis.share(value) - from) / size;
        const at = across ? left + share * width : top + (1 - share) * height;
        return across
          ? `<path class="grid" d="M${at} ${top}v${height}"/><text class="tick mid" x="${at}" y="${top + height + 16}">${text(value)}</text>`
          : `<path class="grid" d="M${left} ${at}h${width}"/><text class="tick end" x="${left - 5}" y="${at + 3.5}">${text(value)}</text>`;
      }).join("");
    }

    reset() {
      this.look(0, 0, 1, 1);
      this.hide();
    }
  }

  const charts = [...document.querySelectorAll("svg.chart")].map((svg) => new Chart(svg));
  for (const button of document.querySelectorAll(".toggle")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true", group = button.closest("[data-charts]");
      button.setAttribute("aria-pressed", on);
      for (const part of group.querySelectorAll(`path[data-run="${button.dataset.run}"]`)) part.classList.toggle("off", !on);
      for (const chart of charts) if (chart.group === group) chart.hide();
    });
  }
})();
