"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("data").textContent), frames = data.frames, last = frames.length - 1;
  const one = (name) => document.querySelector(".panels " + name);
  const set = (node, values) => { for (const key in values) if (node) node.setAttribute(key, values[key]); };
  const dots = document.querySelectorAll(".panels .dot"), line = one("g path.edge") || one("g path.fit");
  let at = 0, timer = 0;
  function show(to) {
    at = Math.max(0, Math.min(last, to));
    const frame = frames[at], [x, ...heights] = frame.m;
    set(one(".veil"), { x, width: Math.max(0, data.right - x) });
    const cursor = one(".cursor");
    set(cursor, { d: cursor.getAttribute("d").replace(/^M[^ ]+/, "M" + x) });
    dots.forEach((dot, k) => set(dot, { cx: x, cy: heights[k] }));
    if (frame.i) set(one(".raster"), { href: "data:image/png;base64," + frame.i });
    set(line, { d: frame.p });
    find("say").textContent = frame.s;
    find("range").value = at;
    find("range").setAttribute("aria-valuetext", frame.s);
    find("count").textContent = frame.e + " / " + data.total;
    find("prev").disabled = find("first").disabled = at === 0;
    find("next").disabled = find("last").disabled = at === last;
  }
  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on) {
      if (at === last) show(0);
      // who asked for less motion gets one picture a second
      const pause = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 120;
      timer = setInterval(() => { show(at + 1); if (at === last) play(false); }, pause);
    }
    find("play").textContent = on ? "Pause" : "Play";
    find("play").setAttribute("aria-pressed", String(!!on));
    find("say").setAttribute("aria-live", on ? "off" : "polite");
  }
  const go = (to) => { play(false); show(to); };
  find("range").max = last;
  find("first").onclick = () => go(0);
  find("prev").onclick = () => go(at - 1);
  find("next").onclick = () => go(at + 1);
  find("last").onclick = () => go(last);
  find("play").onclick = () => play(!timer);
  find("range").oninput = (event) => go(+event.target.value);
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === " " && event.target === document.body) { event.preventDefault(); return play(!timer); }
    if (event.target === find("range")) return;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
    if (to !== undefined) { event.preventDefault(); go(to); }
  });
  find("play").disabled = last === 0;
  show(last);
})();
