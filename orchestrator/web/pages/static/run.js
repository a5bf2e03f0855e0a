// Keeps the page of one run as it is now: server-sent events in, text out. Nothing is ever taken as HTML.
"use strict";

(() => {
  const page = document.getElementById("run");
  const words = page.dataset;
  const { put, showTime, showLink } = bascule;
  const LINES = 1000;
  const AGAIN = 5000;

  const find = (selector, within = document) => within.querySelector(selector);

  function setTime(element, told) {
    element.dataset.since = told.since ?? "";
    element.dataset.until = told.until ?? "";
    showTime(element);
  }

  function setIcon(within, name) {
    const icon = find(".icon", within);
    icon.dataset.icon = name;
    find("use", icon).setAttribute("href", `#i-${name}`);
  }

  const rows = new Map([...document.querySelectorAll("tr[data-step]")].map((row) => [row.dataset.step, row]));

  function showStep(step) {
    const row = rows.get(step.id);
    if (!row) return;
    row.dataset.tone = step.tone;
    setIcon(row, step.icon);
    put(find(".word", row), step.word);
    put(find(".note", row), step.note);
    put(find(".message", row), step.message);
    setTime(find(".elapsed", row), step);
  }

  function showRun(run) {
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
    showWaits(run.waits);
  }

  let waitsShown = "";

  function showWaits(waits) {
    const same = JSON.stringify(waits);
    if (same === waitsShown) return;
    waitsShown = same;
    find(".waits").replaceChildren(...waits.map(waitCard));
    find("#waits").hidden = waits.length === 0;
  }

  function waitCard(wait) {
    const card = find("#wait-card").content.cloneNode(true).firstElementChild;
    card.dataset.tone = wait.tone;
    setIcon(card, wait.icon);
    put(find(".wait-what", card), wait.title);
    put(find(".wait-step code", card), wait.step);
    put(find(".wait-detail", card), wait.detail);
    put(find(".wait-message", card), wait.message);
    const link = find(".wait-link", card);
    link.hidden = !wait.link;
    if (wait.link) link.setAttribute("href", wait.link);
    find(".commands", card).replaceChildren(...wait.commands.map((command) => {
      const item = document.createElement("li");
      item.appendChild(document.createElement("code")).textContent = command;
      return item;
    }));
    return card;
  }

  const log = find("#log");

  function showLine(line) {
    const follow = log.scrollTop + log.clientHeight > log.scrollHeight - 40;
    const item = find("#log-line").content.cloneNode(true).firstElementChild;
    put(find("time", item), line.at);
    put(find(".line-step", item), line.step);
    put(find(".line-text", item), line.text);
    log.appendChild(item);
    find("#log-empty").hidden = true;
    while (log.children.length > LINES) log.firstElementChild.remove();
    if (follow) log.scrollTop = log.scrollHeight;
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
    on(source, "log", showLine);
    on(source, "end", () => {});
    source.addEventListener("error", () => {
      if (!ended) showLink("lost");
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN);
    });
  }

  log.scrollTop = log.scrollHeight;
  connect();
})();
