// What every page does with a script: times run on, and it says whether what is shown is live. Text only, never HTML.
"use strict";

const bascule = (() => {
  const body = document.body;
  const words = body.dataset;
  const skew = Number(words.now) - Date.now() / 1000;
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const now = () => Date.now() / 1000 + skew;

  function duration(seconds) {
    const whole = Math.max(Math.floor(seconds), 0);
    if (whole < 1) return "< 1 s";
    if (whole < 60) return `${whole} s`;
    const two = (number) => String(number).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return whole % 60 ? `${minutes} min ${two(whole % 60)} s` : `${minutes} min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return minutes % 60 ? `${hours} h ${two(minutes % 60)} min` : `${hours} h`;
    const days = Math.floor(hours / 24);
    return hours % 24 ? `${days} ${words.day} ${hours % 24} h` : `${days} ${words.day}`;
  }

  function showTime(element) {
    const { since, until, expect } = element.dataset;
    if (!since) { put(element, ""); return; }
    const spent = (until ? Number(until) : now()) - Number(since);
    put(element, duration(spent));
    if (!expect) return;
    const over = !until && spent > Number(expect);
    element.toggleAttribute("data-late", over);
    element.title = over ? words.over : "";
  }

  function showLeft(element) {
    const left = Number(element.dataset.ends) - now();
    put(element, left > 0 ? duration(left) : element.dataset.over);
    element.toggleAttribute("data-late", left <= 0);
  }

  function tick() {
    document.querySelectorAll(".elapsed[data-since]").forEach((element) => {
      if (element.dataset.since && !element.dataset.until) showTime(element);
    });
    document.querySelectorAll(".left[data-ends]").forEach(showLeft);
  }

  function showLink(state) {
    const link = document.getElementById("link");
    link.hidden = false;
    link.dataset.state = state;
    put(link, words[state]);
  }

  // The kill switch stands outside of what is taken over: a click at it is never lost.
  function showHalted(halted) {
    const stop = document.getElementById("stop");
    if (stop) stop.hidden = halted;
  }

  // Without a stream the page looks anew by itself; where nothing moved, it is answered nothing.
  let looking = 0;
  body.addEventListener("htmx:sseOpen", () => {
    clearInterval(looking);
    looking = 0;
    showLink("live");
  });
  body.addEventListener("htmx:sseError", () => {
    if (looking) return;
    showLink("lost");
    const look = () => htmx.trigger("#page", "stale");
    looking = setInterval(look, 15000);
    look();
  });
  body.addEventListener("htmx:sendError", () => showLink("lost"));
  body.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) window.location.reload();
    else showLink("lost");
  });
  body.addEventListener("htmx:afterRequest", (event) => { if (event.detail.successful) showLink(looking ? "slow" : "live"); });
  body.addEventListener("htmx:afterSwap", () => { tick(); showHalted(document.getElementById("halted") !== null); });
  // What somebody opened stays open when the page takes over what moved, and what they did stays said.
  document.addEventListener("DOMContentLoaded", () => {
    if (typeof Idiomorph === "undefined") return;
    const keep = (name, element) => !(name === "open" && element.localName === "details");
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = keep;
    Idiomorph.defaults.callbacks.beforeNodeRemoved = (node) => node.id !== "did";
  });
  tick();
  setInterval(tick, 1000);
  return { put, now, duration, showTime, showLink, showHalted, tick };
})();
