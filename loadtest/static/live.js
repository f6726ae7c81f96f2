// The "Forebay" tab: a chart for each buffer, drawn as SVG from forebay/live.json. Nothing is fetched from elsewhere.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const EVERY_MS = 1000;
  const WIDTH = 480, HEIGHT = 220, LEFT = 44, RIGHT = 8, TOP = 10, BOTTOM = 24;
  const RATE_OVER_S = 10;

  const panel = document.createElement("section");
  panel.id = "forebay";
  panel.hidden = true;
  panel.setAttribute("aria-live", "off");
  document.body.append(panel);

  const node = (name, classes, ...children) => {
    const made = document.createElement(name);
    if (classes) made.className = classes;
    made.append(...children);
    return made;
  };
  const drawn = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const count = (value) => (value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en"));
  const seconds = (value) => (value === null || value === undefined ? "–" : `${Math.round(value)} s`);

  // The least of 1, 2, 5 times a power of ten that is not below the value.
  const roundUp = (value) => {
    const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
  };

  // One for all buffers, so that the charts can be held against each other.
  const scaleOf = (live, at) => {
    const points = live.buffers.flatMap((turn) => turn.points);
    return {
      most: roundUp(points.reduce((most, p) => Math.max(most, p[at.offered], p[at.backlog] ?? 0), 10)),
      last: points.reduce((last, p) => Math.max(last, p[at.second]), live.duration),
    };
  };

  const chart = (points, at, { most, last }) => {
    const x = (second) => LEFT + (WIDTH - LEFT - RIGHT) * (second / last);
    const y = (value) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / most);
    const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    svg.append(drawn("title", {}, "Requests offered, accepted and completed since the start, and the backlog"));
    for (const part of [0, 0.5, 1]) {
      const level = y(most * part);
      svg.append(drawn("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: level, y2: level }));
      svg.append(drawn("text", { x: LEFT - 6, y: level + 4, "text-anchor": "end" }, count(most * part)));
    }
    for (const part of [0, 0.5, 1]) {
      const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
      svg.append(drawn("text", { x: x(last * part), y: HEIGHT - 6, "text-anchor": anchor }, `${Math.round(last * part)} s`));
    }
    const line = (name) =>
      points.filter((p) => p[at[name]] !== null).map((p) => `${x(p[at.second]).toFixed(1)},${y(p[at[name]]).toFixed(1)}`);
    const backlog = line("backlog");
    if (backlog.length) {
      const [from] = backlog[0].split(","), [to] = backlog[backlog.length - 1].split(",");
      svg.append(drawn("path", { class: "backlog", d: `M${from},${y(0)} L${backlog.join(" L")} L${to},${y(0)} Z` }));
    }
    for (const name of ["offered", "accepted", "completed"]) {
      const way = line(name);
      if (way.length) svg.append(drawn("path", { class: name, d: `M${x(0)},${y(0)} L${way.join(" L")}` }));
    }
    return svg;
  };

  // By the completions of the last seconds; nothing where none completed.
  const timeLeft = (points, at) => {
    const last = points[points.length - 1];
    if (!last || !last[at.backlog]) return null;
    const before = points.find((p) => p[at.second] >= last[at.second] - RATE_OVER_S);
    const rate = (last[at.completed] - before[at.completed]) / (last[at.second] - before[at.second]);
    return rate > 0 ? last[at.backlog] / rate : null;
  };

  const statusOf = (turn, now, duration) => {
    if (!turn.began) return "waits for its turn";
    if (turn.drained !== null) return turn.drained ? "drained" : "not drained";
    return now < duration ? "sending" : "draining";
  };

  const turnOf = (turn, at, live, scale) => {
    const last = turn.points[turn.points.length - 1] || [];
    const figure = (label, text, name) => {
      const made = node("div", name ? "figure key" : "figure", node("b", "", text), node("span", "", label));
      if (name) made.style.setProperty("--of", `var(--${name})`);
      return made;
    };
    const figures = node("div", "figures");
    for (const name of ["offered", "accepted", "completed", "backlog"]) figures.append(figure(name, count(last[at[name]]), name));
    figures.append(figure("oldest waits", seconds(last[at.oldest_age_s])));
    figures.append(figure("throttles", count(last[at.throttles])));
    figures.append(figure("dead letters", count(last[at.dead_lettered])));
    if (turn.drained === null) figures.append(figure("time left", seconds(timeLeft(turn.points, at))));
    const status = statusOf(turn, last[at.second] ?? 0, live.duration);
    return node(
      "article", "turn",
      node("div", "title", node("h3", "", turn.buffer), node("span", "status", status)),
      figures,
      chart(turn.points, at, scale),
    );
  };

  const draw = (live) => {
    const at = Object.fromEntries(live.columns.map((name, index) => [name, index]));
    const head = node("header", "");
    head.append(node("h2", "", live.run ? `Run ${live.run}` : "Forebay"));
    if (live.why) head.append(node("p", "", live.why));
    const valid = live.invalid_because;
    const phase = valid === null ? live.phase : valid.length ? `Not valid: ${valid.join("; ")}` : "Ended; the run is valid.";
    head.append(node("p", valid && valid.length ? "phase bad" : "phase", phase));
    if (live.report) {
      const link = node("a", "", "Open the report");
      link.href = live.report;
      link.target = "_blank";
      head.append(node("p", "phase", link));
    }
    const scale = scaleOf(live, at);
    panel.replaceChildren(head, node("div", "turns", ...live.buffers.map((turn) => turnOf(turn, at, live, scale))));
  };

  const isDark = () => {
    const parts = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g);
    return parts !== null && Number(parts[0]) + Number(parts[1]) + Number(parts[2]) < 384;
  };

  // Locust knows which tab is chosen and tells nobody: the page is the only place to look.
  const place = () => {
    const tabs = document.querySelector("#root [role=tablist]");
    const chosen = tabs && tabs.querySelector("[role=tab][aria-selected=true]");
    const shown = Boolean(chosen) && chosen.textContent.trim().toLowerCase() === "forebay";
    if (shown) {
      const top = tabs.getBoundingClientRect().bottom + window.scrollY + 1;
      panel.style.top = `${top}px`;
      panel.style.minHeight = `calc(100vh - ${top}px)`;
      panel.dataset.theme = isDark() ? "dark" : "light";
    }
    const appears = shown && panel.hidden;
    panel.hidden = !shown;
    if (appears) refresh();
  };

  let asking = false;
  const refresh = async () => {
    if (panel.hidden || asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch("./forebay/live.json");
      if (answer.ok) draw(await answer.json());
    } catch {
      panel.dataset.lost = "true"; // Locust has stopped: the last picture stays.
    } finally {
      asking = false;
    }
  };

  new MutationObserver(place).observe(document.getElementById("root"), {
    subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected", "class"],
  });
  window.addEventListener("resize", place);
  setInterval(() => { place(); refresh(); }, EVERY_MS);
  place();
})();
