// A run: the epoch that the player is at, on the loss curves and in what the model says.
(() => {
  "use strict";
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("data").textContent), frames = data.frames;
  const one = (name) => document.querySelector(".panels " + name);
  const set = (node, values) => { for (const key in values) if (node) node.setAttribute(key, values[key]); };
  const dots = document.querySelectorAll(".panels .dot"), line = one("g path.edge") || one("g path.fit");
  function show(at) {
    const frame = frames[at], [x, ...heights] = frame.m;
    set(one(".veil"), { x, width: Math.max(0, data.right - x) });
    const cursor = one(".cursor");
    set(cursor, { d: cursor.getAttribute("d").replace(/^M[^ ]+/, "M" + x) });
    dots.forEach((dot, k) => set(dot, { cx: x, cy: heights[k] }));
    if (frame.i) set(one(".raster"), { href: "data:image/png;base64," + frame.i });
    set(line, { d: frame.p });
    find("say").textContent = frame.s;
    find("count").textContent = frame.e + " / " + data.total;
  }
  // who asked for less motion gets one picture a second
  const pause = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 120;
  player(frames.length - 1, show, pause).go(frames.length - 1);
})();
