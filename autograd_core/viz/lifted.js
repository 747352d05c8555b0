// Two sides of one computation: what is pointed at lights up its counterparts on the other side. It computes nothing:
// every text was made in Python. It writes with textContent only, so that no label can become an element.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const main = document.querySelector(".lifted"), say = find("say"), links = find("links"), inside = find("inside");
  const view = find("scalar"), program = find("array"), svg = view.querySelector("svg");
  const boxes = data.boxes.map((_, k) => find("b" + k)), rows = [...program.querySelectorAll(".line")];
  const boxesOf = data.rows.map((row) => row.boxes.map((pair) => pair[0]));
  const sides = [
    { own: rows, other: boxes, view: program, opposite: view, reach: (k) => boxesOf[k], text: (k) => data.rows[k].say },
    { own: boxes, other: rows, view, opposite: program, reach: (k) => data.boxes[k].rows, text: (k) => data.boxes[k].say },
  ];
  const free = () => window.top === window && document.documentElement.scrollHeight <= window.innerHeight;
  const glass = lens(view, free, () => connect()); // a page that scrolls keeps its wheel
  let held = null, lit = null;
  if (svg) svg.setAttribute("role", "group"); // the parts of an image are none to a screen reader

  // ------------------------------------------------------------------------------------------ lighting
  function light(side, k, quiet) {
    for (const element of [...boxes, ...rows]) element.classList.remove("lit", "held", "own", "reads");
    main.classList.toggle("lighting", !!side);
    lit = side ? [side, k] : null;
    if (!side) { say.textContent = data.say; connect(); return; }
    side.own[k].classList.add("lit", "own");
    for (const other of side.reach(k)) side.other[other].classList.add("lit");
    if (side === sides[0]) for (const box of data.rows[k].reads) boxes[box].classList.add("reads");
    if (held) side.own[k].classList.add("held");
    if (!quiet) reveal(side.opposite, side.reach(k).map((other) => side.other[other]));
    say.textContent = side.text(k);
    connect();
  }
  function reveal(frame, elements) { // the first of them, unless one can be seen already
    if (!elements.length) return;
    const f = frame.getBoundingClientRect(), places = elements.map((element) => element.getBoundingClientRect());
    if (places.some((r) => r.left >= f.left && r.right <= f.right && r.top >= f.top && r.bottom <= f.bottom)) return;
    frame.scrollLeft += places[0].left - f.left - 20;
    frame.scrollTop += places[0].top - f.top - 20;
  }
  const rest = () => (held ? light(held[0], held[1], true) : light(null));
  function hold(side, k) {
    held = k === null || (held && held[0] === side && held[1] === k) ? null : [side, k];
    for (const one of sides) one.own.forEach((element, i) => element.setAttribute("aria-pressed", String(!!held && held[0] === one && held[1] === i)));
    if (k === null) light(null); else light(side, k);
    look(held && held[0] === sides[1] ? held[1] : null);
  }

  // ----------------------------------------------------------------------- the lines that join the two sides
  function connect() {
    links.replaceChildren();
    if (!lit || getComputedStyle(links).display === "none") return;
    const origin = main.getBoundingClientRect(), left = view.getBoundingClientRect(), right = program.getBoundingClientRect();
    const within = (r, f) => r.bottom > f.top && r.top < f.bottom && r.right > f.left && r.left < f.right;
    const [side, k] = lit;
    for (const other of side.reach(k).slice(0, 60)) {
      const box = side === sides[0] ? boxes[other] : boxes[k], row = side === sides[0] ? rows[k] : rows[other];
      const a = box.getBoundingClientRect(), b = row.getBoundingClientRect();
      if (!within(a, left) || !within(b, right)) continue;
      const clamp = (y, f) => Math.min(f.bottom - 4, Math.max(f.top + 4, y));
      const x0 = Math.min(a.right, left.right) - origin.left, y0 = clamp((a.top + a.bottom) / 2, left) - origin.top;
      const x1 = b.left - origin.left, y1 = clamp((b.top + b.bottom) / 2, right) - origin.top, middle = Math.max(x0 + 30, (x0 + x1) / 2);
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`);
      links.append(path);
    }
  }

  // ------------------------------------------------------------------------------------- a look into a stack
  function look(k) {
    const { list, more, svg: drawn } = k === null ? {} : data.boxes[k];
    inside.hidden = !list || !list.length;
    inside.replaceChildren();
    if (inside.hidden) return;
    const add = (tag, text, to = inside) => { const e = document.createElement(tag); e.textContent = text; to.append(e); return e; };
    add("h3", data.boxes[k].say);
    const ol = add("ol", "");
    for (const text of list) add("li", text, ol);
    if (more) add("p", "… and " + more.toLocaleString("en") + " more");
    if (drawn) { // made by this package, every label in it escaped
      add("p", "The first of them, node by node:");
      const holder = add("div", "");
      holder.className = "view";
      holder.append(document.importNode(new DOMParser().parseFromString(drawn, "image/svg+xml").documentElement, true));
    }
    reveal(view, [boxes[k]]);
    connect();
  }

  // ------------------------------------------------------------------------------------- pointer and keys
  let last = [-1, -1];
  const moved = (event) => event.clientX !== last[0] || event.clientY !== last[1]; // scrolling below a resting pointer is no pointing
  for (const side of sides) {
    side.own.forEach((element, k) => {
      element.setAttribute("tabindex", k ? "-1" : "0");
      element.setAttribute("aria-pressed", "false");
      if (side === sides[1]) { element.setAttribute("role", "button"); element.setAttribute("aria-label", side.text(k)); }
      element.addEventListener("pointermove", (event) => {
        if (!held && !glass.gripped() && moved(event) && !(lit && lit[0] === side && lit[1] === k)) light(side, k);
      });
      element.addEventListener("pointerleave", (event) => { if (!held && moved(event)) rest(); });
      element.addEventListener("focus", () => { if (!held && element.matches(":focus-visible")) light(side, k); });
      element.addEventListener("blur", () => { if (!held) rest(); });
      element.addEventListener("click", (event) => { event.stopPropagation(); if (!glass.dragged()) hold(side, k); });
      element.addEventListener("keydown", (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey) return;
        const n = side.own.length;
        const to = { ArrowDown: k + 1, ArrowRight: k + 1, ArrowUp: k - 1, ArrowLeft: k - 1, Home: 0, End: n - 1 }[event.key];
        if (to !== undefined) {
          event.preventDefault();
          event.stopPropagation();
          if (to < 0 || to >= n) return;
          element.setAttribute("tabindex", "-1");
          side.own[to].setAttribute("tabindex", "0");
          side.own[to].focus({ preventScroll: true });
          reveal(side.view, [side.own[to]]);
          if (held) { held = null; hold(side, to); } else light(side, to);
        } else if (side === sides[1] && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); hold(side, k); }
      });
    });
  }
  document.addEventListener("pointermove", (event) => { last = [event.clientX, event.clientY]; });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hold(null, null);
    else if (!event.ctrlKey && !event.metaKey && (event.key === "+" || event.key === "-")) glass.by(event.key === "+" ? 1.25 : 0.8);
  });
  main.addEventListener("click", (event) => { if (held && !glass.dragged() && !event.target.closest("button,#inside")) hold(null, null); });

  // ---------------------------------------------------------------------------------- moving and enlarging
  glass.show(svg);
  const open = () => { // the whole picture where that is readable, else its width
    const large = glass.large(), whole = glass.whole() / large;
    glass.scale(large * Math.min(1.2, whole >= 0.68 ? whole : Math.max(0.62, glass.across() / large)));
    view.scrollTop = 0; // a computation is read from its beginning
    view.scrollLeft = (view.scrollWidth - view.clientWidth) / 2;
  };
  find("fit").onclick = () => glass.scale(Math.min(1.5 * glass.large(), glass.whole()));
  for (const frame of [view, program]) frame.addEventListener("scroll", connect);
  window.addEventListener("resize", () => connect());
  open();
  glass.settle(open);
  light(null);
})();
