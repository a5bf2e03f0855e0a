// Keeps the page of one run, or of one of its steps, as it is now: server-sent events in, text out, never HTML.
"use strict";

(() => {
  const page = document.getElementById("run");
  const words = page.dataset;
  const { put, showTime, showLink, tick } = bascule;
  const LINES = 1000;
  const AGAIN = 5000;
  const GATHER = 50;

  const find = (selector, within = document) => within.querySelector(selector);
  const short = (id) => id.slice(id.indexOf("/") + 1);
  const may = new Set((words.may || "").split(" "));

  function setTime(element, told) {
    element.dataset.since = told.since ?? "";
    element.dataset.until = told.until ?? "";
    showTime(element);
  }

  function setIcon(within, name) {
    const icon = find(".icon", within);
    if (icon.dataset.icon === name) return;
    icon.dataset.icon = name;
    find("use", icon).setAttribute("href", `#i-${name}`);
  }

  function offer(choices) {
    document.querySelectorAll("[data-do]").forEach((item) => { item.hidden = !choices.includes(item.dataset.do); });
  }

  // Steps: their rows, their nodes, and what is counted of them.

  const rows = new Map([...document.querySelectorAll("[data-step]")].map((row) => [row.dataset.step, row]));
  const nodes = new Map([...document.querySelectorAll("[data-node]")].map((node) => [node.dataset.node, node]));
  const ICONS = { bad: "decide", waits: "waits", moving: "moving", quiet: "later", odd: "skipped", good: "done" };
  const tallies = new Map();
  const serviceOf = (row) => row.dataset.service ?? row.closest("[data-group]")?.dataset.group;
  rows.forEach((row) => { if (!words.only) count(serviceOf(row), row.dataset.tone, 1); });

  function count(service, tone, by) {
    if (!tallies.has(service)) tallies.set(service, {});
    const tally = tallies.get(service);
    tally[tone] = (tally[tone] || 0) + by;
  }

  function showTally(service) {
    const tally = tallies.get(service);
    const sum = (tones) => tones.reduce((all, tone) => all + (tally[tone] || 0), 0);
    for (const item of document.querySelectorAll(`[data-group="${service}"] .count`)) {
      const number = tally[item.dataset.tone] || 0;
      put(find(".n", item), String(number));
      item.hidden = number === 0;
    }
    const lane = find(`[data-lane="${service}"]`);
    if (lane) {
      const tone = Object.keys(ICONS).find((one) => tally[one]) || "good";
      lane.dataset.tone = tone;
      setIcon(lane, ICONS[tone]);
      put(find(".done", lane), String(sum(["good", "odd"])));
      put(find(".word", lane), words[`word${tone[0].toUpperCase()}${tone.slice(1)}`]);
    }
    return { isOver: sum(["bad", "waits", "moving", "quiet"]) === 0, gaps: sum(["odd"]) > 0 };
  }

  // What is not said has no element until it is.

  function tell(row, place, kind, name, text) {
    let element = find(`.${name}`, row);
    if (!element && text) {
      element = document.createElement(kind);
      element.className = name;
      if (name === "message") element.lang = "en";
      find(place, row).append(" ", element);
    }
    if (element) put(element, text);
  }

  function showStep(step) {
    const node = nodes.get(step.id);
    if (node) {
      node.dataset.tone = step.tone;
      setIcon(node, step.icon);
      put(find(".word", node), step.word);
    }
    const row = rows.get(step.id);
    if (!row) return;
    const before = row.dataset.tone;
    row.dataset.tone = step.tone;
    setIcon(row, step.icon);
    put(find(".word", row), step.word);
    tell(row, ".where", "span", "note", step.note);
    tell(row, "th", "p", "message", step.message);
    setTime(find(".elapsed", row), step);
    if (words.only) showChoices(step);
    if (words.only || before === step.tone) return;
    count(step.service, before, -1);
    count(step.service, step.tone, 1);
    showObjective(step, showTally(step.service));
  }

  // The page of one step offers what the state of its run allows.

  let runState = words.runState;
  let choices = null;

  function showChoices(step) {
    choices = { running: step.can, undoing: step.back };
    offer(choices[runState] || []);
  }

  // What is left of the time that each service may be away.

  function showObjective(step, { isOver, gaps }) {
    const item = find(`.objective[data-service="${step.service}"]`);
    if (!item) return;
    const reached = find(".in-time", item);
    const elapsed = find(".elapsed", reached);
    const since = find(".clock .elapsed").dataset.since;
    const whole = isOver && !gaps;
    const late = whole && step.until - since > Number(item.dataset.total);
    find(".time-left", item).hidden = isOver;
    find(".with-gaps", item).hidden = !isOver || whole;
    reached.hidden = !whole;
    reached.dataset.tone = late ? "bad" : "good";
    setIcon(reached, late ? "failed" : "done");
    find(".too-late", item).hidden = !late;
    setTime(elapsed, whole ? { since, until: step.until } : {});
  }

  function showObjectives(run) {
    const all = find(".objectives");
    if (!all) return;
    all.hidden = !run.counting;
    if (!run.since) return;
    all.querySelectorAll(".objective").forEach((item) => {
      find(".left", item).dataset.ends = run.since + Number(item.dataset.total);
    });
    tick();
  }

  function showRun(run) {
    runState = run.state;
    if (words.only) {
      if (choices) offer(choices[runState] || []);
      return;
    }
    const head = find(".head");
    head.dataset.tone = run.tone;
    setIcon(head, run.icon);
    put(find(".word", head), run.word);
    put(find("#summary .unseen"), `${run.word}.`);
    put(find("#summary .text"), run.summary);
    put(find("#message"), run.message);
    setTime(find(".clock .elapsed"), run);
    const bar = find("progress");
    bar.max = Math.max(run.total, 1);
    bar.value = run.done;
    document.title = [run.word, ...document.title.split(" · ").slice(1)].join(" · ");
    offer(run.can);
    showObjectives(run);
    showWaits(run);
  }

  let waitsShown = "";

  function showWaits(run) {
    const same = JSON.stringify(run.waits);
    if (same === waitsShown) return;
    waitsShown = same;
    find(".waits").replaceChildren(...run.waits.map(waitCard));
    put(find("#waits-more"), run.more);
    find("#waits").hidden = run.waits.length === 0;
  }

  function waitCard(wait) {
    const card = find("#wait-card").content.cloneNode(true).firstElementChild;
    card.dataset.tone = wait.tone;
    setIcon(card, wait.icon);
    put(find(".wait-what", card), wait.title);
    put(find(".wait-step code", card), wait.step);
    put(find(".wait-detail", card), wait.detail);
    put(find(".wait-message", card), wait.message);
    find(".wait-ways", card).replaceChildren(...wait.ways.filter((way) => may.has(way.needs)).map((way) => {
      const link = find("#way").content.cloneNode(true).firstElementChild;
      link.setAttribute("href", way.href);
      put(link, way.label);
      return link;
    }));
    find(".commands", card).replaceChildren(...wait.commands.map((command) => {
      const item = document.createElement("li");
      item.appendChild(document.createElement("code")).textContent = command;
      return item;
    }));
    return card;
  }

  // Output: gathered for a moment and shown at once, the last lines alone. A line that was shown is not shown again.

  const log = find("#log");
  let lastLine = Number(words.line);
  let gathered = [];
  let waiting = false;

  function hearLine(line) {
    if (line.id <= lastLine || "still" in words || (words.only && line.step !== words.only)) return;
    lastLine = line.id;
    gathered.push(line);
    if (gathered.length > LINES) gathered = gathered.slice(-LINES);
    if (!waiting) {
      waiting = true;
      setTimeout(showLines, GATHER);
    }
  }

  function showLines() {
    const follow = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
    const items = document.createDocumentFragment();
    for (const line of gathered) items.append(lineItem(line));
    waiting = false;
    gathered = [];
    find("#log-empty").hidden = true;
    log.append(items);
    while (log.children.length > LINES) log.firstElementChild.remove();
    if (follow) log.scrollTop = log.scrollHeight;
  }

  function lineItem(line) {
    const item = find("#log-line").content.cloneNode(true).firstElementChild;
    put(find("time", item), line.at);
    if (!words.only) put(find(".line-step", item), short(line.step));
    put(find(".line-text", item), line.text);
    return item;
  }

  let cursor = words.cursor;
  let ended = false;

  function on(source, name, show) {
    source.addEventListener(name, (message) => {
      cursor = message.lastEventId || cursor;
      ended = name === "end";
      show(JSON.parse(message.data));
      showLink(ended ? "ended" : "live");
    });
  }

  function connect() {
    const source = new EventSource(`${words.stream}&after=${cursor}`);
    on(source, "step", showStep);
    on(source, "run", showRun);
    on(source, "log", hearLine);
    on(source, "end", () => {});
    source.addEventListener("error", () => {
      if (!ended) showLink("lost");
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
    });
  }

  // What is folded up is on paper all the same.

  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.group:not([open])").forEach((group) => {
      group.dataset.folded = "";
      group.open = true;
    });
  });
  addEventListener("afterprint", () => {
    document.querySelectorAll("details.group[data-folded]").forEach((group) => {
      delete group.dataset.folded;
      group.open = false;
    });
  });

  log.scrollTop = log.scrollHeight;
  connect();
})();
