// The "Forebay" tab: a chart for each buffer, drawn as SVG from forebay/live.json. Nothing is fetched from elsewhere.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const EVERY_MS = 1000;
  const HEIGHT = 230, LEFT = 40, RIGHT = 10, TOP = 26, BOTTOM = 24;
  const NAMES = { sns: ["SNS", "push"], sqs: ["SQS", "polled queue"], kinesis: ["Kinesis", "polled stream"], "kinesis-efo": ["Kinesis EFO", "pushed stream"] };

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
  const nameOf = (buffer) => (NAMES[buffer] ? NAMES[buffer][0] : buffer);
  const titleOf = (turn) => (turn.route ? `POST ${turn.route}` : nameOf(turn.buffer));
  const count = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en") : "–");
  const sentence = (phase) => {
    const named = phase.replace(/\b(sns|sqs|kinesis-efo|kinesis)\b/g, nameOf);
    return named && `${named[0].toUpperCase()}${named.slice(1)}`;
  };
  const seconds = (value) => {
    if (!Number.isFinite(value)) return "–";
    const whole = Math.round(value);
    return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
  };

  // Sent, and not answered yet: of a route what waits, for what is behind its answers is not known.
  const awaiting = (p, at) => p[at.offered] - p[at.accepted] - notAccepted(p, at);
  const notAccepted = (p, at) => p[at.rejected] + p[at.unanswered] + p[at.dropped];
  const waitingOf = (turn, at) => (p) => (turn.route ? awaiting(p, at) : p[at.backlog]);

  // The least of the steps times a power of ten that is not below the value.
  const roundUp = (value) => {
    const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
  };
  const marks = (most, step) => Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);

  // One for all buffers, so that the charts can be held against each other.
  const scaleOf = (live, at) => {
    const points = live.buffers.flatMap((turn) => turn.points);
    const most = points.reduce((most, p) => Math.max(most, p[at.offered], p[at.backlog] ?? 0), 10);
    const step = roundUp(most / 4);
    return {
      step,
      most: Math.ceil(most / step) * step,
      last: [...points.map((p) => p[at.second]), ...live.buffers.map((turn) => turn.duration)].reduce((last, second) => Math.max(last, second), 1),
    };
  };

  // As wide as it will stand, so that its text is as large as the text around it.
  let width = 360;
  const widthOfCharts = () => {
    const standing = panel.querySelector("article svg");
    return standing ? Math.round(standing.getBoundingClientRect().width) || width : width;
  };

  const chart = (turn, at, { step, most, last }) => {
    const duration = turn.duration;
    const x = (second) => LEFT + (width - LEFT - RIGHT) * (second / last);
    const y = (value) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / most);
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img" });
    svg.append(drawn("title", {}, `${titleOf(turn)}: requests offered, accepted${turn.route ? " so far, and those that wait for an answer" : " and completed so far, and the backlog"}`));
    for (const mark of marks(most, step)) {
      svg.append(drawn("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(mark), y2: y(mark) }));
      svg.append(drawn("text", { x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end" }, count(mark)));
    }
    svg.append(drawn("text", { x: 0, y: 12 }, "requests"));
    for (const mark of marks(last, roundUp(last / 5))) {
      const anchor = mark === 0 ? "start" : x(mark) > width - 24 ? "end" : "middle";
      svg.append(drawn("text", { x: x(mark), y: HEIGHT - 6, "text-anchor": anchor }, `${mark} s`));
    }
    svg.append(drawn("line", { class: "mark", x1: x(duration), x2: x(duration), y1: TOP - 8, y2: y(0) }));
    const side = x(duration) > width / 2 ? "end" : "start";
    svg.append(drawn("text", { x: x(duration), y: 12, "text-anchor": side }, "all sent"));
    const waiting = waitingOf(turn, at);
    const line = (name) =>
      turn.points.map((p) => [p, name === "backlog" ? waiting(p) : p[at[name]]]).filter(([, value]) => value !== null)
        .map(([p, value]) => `L${x(p[at.second]).toFixed(1)},${y(value).toFixed(1)}`);
    const backlog = line("backlog");
    if (backlog.length) {
      const from = `M${x(0)},${y(0)}`, to = backlog[backlog.length - 1].split(",")[0];
      svg.append(drawn("path", { class: "area", d: `${from} ${backlog.join(" ")} ${to},${y(0)} Z` }));
    }
    for (const name of ["backlog", "offered", "accepted", "completed"]) {
      const way = line(name);
      if (way.length) svg.append(drawn("path", { class: name, d: `M${x(0)},${y(0)} ${way.join(" ")}` }));
    }
    return svg;
  };

  const longestWait = (points, at) => points.reduce((most, p) => (p[at.oldest_age_s] > (most ?? 0) ? p[at.oldest_age_s] : most), null);

  // Its class, and what to say of it.
  const statusOf = (turn, at, over) => {
    const last = turn.points[turn.points.length - 1];
    const now = last ? last[at.second] : 0;
    if (!turn.began) return ["waits", over ? "its turn never came" : "waits for its turn"];
    if (turn.route && turn.drained !== null) {
      const waits = last ? awaiting(last, at) : 0, without = last ? last[at.unanswered] + waits : 0;
      if (without) return ["cut-off", `ended, ${count(without)} without an answer`];
      return turn.drained ? ["drained", "all answered"] : ["cut-off", "broken off"];
    }
    if (turn.drained) return ["drained", now > turn.duration ? `drained ${seconds(now - turn.duration)} after all was sent` : "drained"];
    if (turn.drained === false) return ["cut-off", last && last[at.backlog] ? `not drained, ${count(last[at.backlog])} left` : "not drained"];
    const left = turn.left_s === null ? "" : `, about ${seconds(turn.left_s)} left`;
    return now < turn.duration ? ["sending", `sending${left}`] : ["draining", turn.route ? "waits for the last answers" : `draining${left}`];
  };

  const turnOf = (turn, at, scale, over) => {
    const last = turn.points[turn.points.length - 1] || [];
    const figure = (label, text, name) => node("div", name ? `figure key of-${name}` : "figure", node("b", "", text), node("span", "", label));
    const figures = node("div", "figures");
    const own = (name) => figure(name, count(last[at[name]]), name);
    figures.append(own("offered"), own("accepted"));
    if (turn.route) {
      figures.append(figure("refused", count(last[at.rejected])), figure("waiting", count(awaiting(last, at)), "backlog"));
      figures.append(figure("no answer", count(last[at.unanswered])), figure("never sent", count(last[at.dropped])));
    } else {
      figures.append(own("completed"), own("backlog"));
      figures.append(figure("not accepted", count(notAccepted(last, at))));
      figures.append(figure("throttles", count(last[at.throttles])));
      figures.append(figure("dead letters", count(last[at.dead_lettered])));
      const longest = longestWait(turn.points, at);
      figures.append(figure(longest === null ? "oldest waiting" : `oldest, at most ${seconds(longest)}`, seconds(last[at.oldest_age_s])));
    }
    const [state, says] = statusOf(turn, at, over);
    const name = node("h3", "", titleOf(turn));
    if (NAMES[turn.buffer]) name.append(node("small", "", NAMES[turn.buffer][1]));
    return node(
      "article", `turn ${state}`,
      node("div", "title", name, node("span", "status", says)),
      figures,
      chart(turn, at, scale),
    );
  };

  const draw = (live) => {
    const at = Object.fromEntries(live.columns.map((name, index) => [name, index]));
    const head = node("header", "");
    head.append(node("h2", "", live.run ? `Run ${live.run}` : "Forebay"));
    if (live.why) head.append(node("p", "", live.why));
    const faults = live.invalid_because;
    if (faults === null) {
      head.append(node("p", "phase", sentence(live.phase)));
    } else if (faults.length) {
      head.append(node("p", "phase bad", "Ended, and not valid:"), node("ul", "bad", ...faults.map((fault) => node("li", "", fault))));
    } else {
      head.append(node("p", "phase", live.phase === "ended" ? "Ended; the run is valid." : sentence(live.phase)));
    }
    if (live.report) {
      const link = node("a", "", "Open the report");
      link.href = live.report;
      link.target = "_blank";
      head.append(node("p", "phase", link));
    }
    const scale = scaleOf(live, at);
    const turns = () => node("div", "turns", ...live.buffers.map((turn) => turnOf(turn, at, scale, faults !== null)));
    panel.replaceChildren(head, turns());
    if (widthOfCharts() !== width) {
      width = widthOfCharts();
      panel.replaceChildren(head, turns());
    }
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
