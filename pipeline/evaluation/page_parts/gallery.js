"use strict";
// The photographs: what the chosen run did at the chosen score, filtered by size, event and kind; one of them enlarged.
(() => {
  const data = document.getElementById("gallery-data");
  if (!data) return;
  const { views, images } = JSON.parse(data.textContent);
  const KINDS = ["hit", "local", "twice", "alarm", "miss"]; // as numbered by photographs.py, then missed faces
  const WORDS = { hit: "hit", miss: "missed", alarm: "false", local: "misplaced", twice: "twice" };
  const section = document.getElementById("gallery");
  const figures = [...section.querySelectorAll("figure.photo")];
  const lists = [...section.querySelectorAll("[role=tablist]")];
  const score = document.getElementById("filter-score"), shown = document.getElementById("filter-score-value");
  const size = document.getElementById("filter-size"), event = document.getElementById("filter-event");
  const kinds = [...section.querySelectorAll("input[name=kind]")];
  const status = document.getElementById("gallery-status");
  const labelled = kinds.length > 0;
  const viewer = document.getElementById("viewer"), stage = document.getElementById("viewer-stage");
  const scores = views.map((view) => view.score);
  let view = 0, open = -1;

  const outline = (kind, [x1, y1, x2, y2]) => `M${x1} ${y1}H${x2}V${y2}H${x1}z`;

  // Boxes by kind of one photograph, as chosen: {kind: [[x1, y1, x2, y2], ...]}; null where the run does not have it.
  const marksOf = (image) => {
    const run = image.runs[view];
    if (!run) return null;
    const [low, high] = size.value.split("-").map(Number);
    const found = Object.fromEntries(KINDS.map((kind) => [kind, []]));
    const add = (kind, box) => { if (box[3] - box[1] >= low && box[3] - box[1] < high) found[kind].push(box); };
    for (let at = 0; at < run.boxes.length; at += 6) {
      if (run.boxes[at + 4] < scores[view]) break; // best first
      add(KINDS[run.boxes[at + 5]], run.boxes.slice(at, at + 4));
    }
    run.found.forEach((from, face) => {
      if (from === null || from < scores[view]) add("miss", image.faces.slice(4 * face, 4 * face + 4));
    });
    return found;
  };

  const chosen = () => new Set(labelled ? kinds.filter((each) => each.checked).map((each) => each.value) : ["hit"]);
  const drawing = (marks, allowed) => KINDS.filter((kind) => allowed.has(kind) && marks?.[kind].length).map((kind) => {
    const path = marks[kind].map((box) => outline(kind, box)).join("");
    return `<path class="halo" d="${path}"/><path class="${kind}" d="${path}"/>`;
  }).join("");
  const counted = (marks) => {
    if (!marks) return "this run does not have it";
    if (!labelled) return `${marks.hit.length} found`;
    return ["hit", "miss", "alarm", "local", "twice"].filter((kind) => marks[kind].length || kind === "hit" || kind === "miss")
      .map((kind) => `${marks[kind].length} ${WORDS[kind]}`).join(" · ");
  };

  const draw = () => {
    const allowed = chosen(), every = !labelled || allowed.size === kinds.length;
    const filtered = !every || size.value !== "0-Infinity";
    let left = 0;
    const sums = {};
    figures.forEach((figure, place) => {
      const marks = marksOf(images[place]);
      const some = !filtered || (marks && [...allowed].some((kind) => marks[kind].length && (kind !== "hit" || allowed.size === 1 || every)));
      const visible = Boolean(some) && (!event || !event.value || figure.dataset.event === event.value);
      figure.hidden = !visible;
      figure.querySelector(".marks").innerHTML = drawing(marks, allowed);
      figure.querySelector(".counts").textContent = counted(marks);
      if (!visible) return;
      left += 1;
      for (const kind of KINDS) sums[kind] = (sums[kind] ?? 0) + (marks?.[kind].length ?? 0);
    });
    shown.textContent = scores[view].toFixed(2);
    status.textContent = `${left} of ${figures.length} photographs` + (left ? `: ${counted(Object.fromEntries(KINDS.map((kind) => [kind, { length: sums[kind] }])))}` : "; change the filters to see more");
    if (open >= 0) fill();
  };

  const turn = (place) => {
    view = place;
    for (const list of lists) list.dispatchEvent(new CustomEvent("select-tab", { detail: place }));
    score.min = views[place].low;
    score.max = views[place].high;
    score.value = scores[place];
    draw();
  };

  const fill = () => {
    const figure = figures[open], marks = marksOf(images[open]);
    stage.querySelector(".marks").innerHTML = drawing(marks, chosen());
    document.getElementById("viewer-text").textContent = `${figure.dataset.name} · ${counted(marks)}`;
  };

  const show = (place) => {
    open = place;
    stage.replaceChildren(figures[place].querySelector("svg").cloneNode(true));
    fill();
    if (!viewer.open) viewer.showModal();
  };

  const step = (by) => {
    const places = figures.map((figure, place) => (figure.hidden ? -1 : place)).filter((place) => place >= 0);
    if (places.length) show(places[(places.indexOf(open) + by + places.length) % places.length]);
  };

  figures.forEach((figure, place) => {
    const button = figure.querySelector(".enlarge");
    button.disabled = false;
    button.addEventListener("click", () => show(place));
  });
  document.getElementById("viewer-close").addEventListener("click", () => viewer.close());
  document.getElementById("viewer-before").addEventListener("click", () => step(-1));
  document.getElementById("viewer-next").addEventListener("click", () => step(1));
  stage.addEventListener("click", () => viewer.close());
  viewer.addEventListener("keydown", (pressed) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[pressed.key];
    if (by) step(by);
  });
  viewer.addEventListener("close", () => {
    const last = figures[open];
    open = -1;
    stage.replaceChildren();
    last?.querySelector(".enlarge").focus();
  });
  section.addEventListener("turned", (turned) => turn(turned.detail));
  score.addEventListener("input", () => { scores[view] = Number(score.value); draw(); });
  for (const control of [size, event, ...kinds]) control?.addEventListener("change", draw);
  document.getElementById("filter-reset").addEventListener("click", () => {
    size.value = "0-Infinity";
    if (event) event.value = "";
    for (const each of kinds) each.checked = true;
    views.forEach((each, place) => { scores[place] = each.score; });
    turn(view);
  });
  for (const controls of section.querySelectorAll(".controls")) controls.hidden = false;
  turn(0);
})();
