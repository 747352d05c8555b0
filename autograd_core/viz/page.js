// The page: which picture is shown, where in the chain rule we are, and the panel. It computes nothing: every
// number is a text made by the engine. It writes with textContent only, so that no label can become an element.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.querySelector(".page"), view = page.querySelector(".view");
  const find = (id) => document.getElementById(id);
  const { scenes } = data, trail = [], walkers = new Map();
  let pack = [], steps = data.steps, scene, svg, boxOf, edgeOf, boxes, edges, control = null;
  const first = view.firstElementChild, labels = new Map();
  const glass = lens(view, () => false, () => {});

  // ------------------------------------------------------------------------------------------ pictures
  function picture(one) { // of a scene that lies in the pack; its nodes and wires come with it
    if (!one.at) return first.cloneNode(true);
    const [at, k] = one.at, text = pack[at].svg.map((pieces) => pieces[k] || "").join("");
    Object.assign(one, pack[at].inside[k]);
    return document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  }
  function open(one, drawn = picture(one), from = null) { // `from`: the box through which the reader comes back
    scene = one;
    svg = drawn;
    const focused = view.contains(document.activeElement) || document.activeElement === find("back");
    view.replaceChildren(svg);
    svg.setAttribute("role", "group"); // the parts of an image are none to a screen reader
    glass.show(svg);
    boxes = [...svg.querySelectorAll(".b")];
    edges = [...svg.querySelectorAll(".e")];
    labels.clear();
    boxOf = new Map(); edgeOf = new Map();
    scene.nodes.forEach((members, box) => members.forEach((node) => boxOf.set(node, box)));
    scene.uses.forEach((members, edge) => members.forEach((use) => edgeOf.set(use, edge)));
    scene.opens ||= scenes.filter((inner) => scenes[inner.parent] === scene && !inner.part[0]);
    const inside = new Set(scene.opens.map((inner) => inner.by));
    boxes.forEach((element, box) => {
      if (inside.has(box) || !element.classList.contains("opens")) return;
      element.classList.remove("opens"); // left out of this page
      element.querySelector("path.q").remove();
    });
    for (const inner of scene.opens) {
      const alike = scene.opens.filter((other) => other.title === inner.title); // told apart by their number
      button(inner.by, "Open " + inner.title + (alike.length > 1 ? ` (${alike.indexOf(inner) + 1} of ${alike.length})` : ""), () => enter(inner));
    }
    const walk = guide();
    if (walk) for (const [stub, to] of stubs(walk)) button(stub, walk.beyond(to) ? "More" : "Show the graph around " + walk.names[to], () => wander(to));
    boxes.forEach((element, box) => {
      if (!element.classList.contains("opens")) element.addEventListener("click", () => { if (!glass.dragged()) click(box); });
    });
    header();
    fit();
    if (control) control.again();
    if (focused) (labels.has(boxes[from]) ? boxes[from] : view).focus({ preventScroll: true }); // what had it is gone
  }
  function button(box, label, action) {
    const element = boxes[box];
    element.classList.add("opens");
    element.setAttribute("tabindex", "0");
    element.setAttribute("role", "button");
    labels.set(element, label);
    call(element);
    element.addEventListener("click", () => { if (!glass.dragged()) action(); });
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); action(); }
    });
  }
  function call(element) { // a button, by what it does and by what stands in it
    const words = [...element.querySelectorAll("text")].map((text) => text.textContent);
    element.setAttribute("aria-label", `${labels.get(element)}: ${words.join(" ")}`);
  }
  function header() {
    const names = [], { part } = scene;
    for (let one = scene; one; one = one.inside || scenes[one.parent]) names.unshift(one.title);
    find("title").textContent = names.join(" › ");
    find("back").hidden = !trail.length;
    find("seek").hidden = !guide();
    const parts = siblings();
    find("parts").hidden = parts.length < 2;
    if (parts.length < 2) return;
    find("part").max = parts.length;
    find("part").value = part[0] + 1;
    find("of").textContent = "of " + part[1].toLocaleString("en") + (parts.length < part[1] ? ` (${parts.length} on this page)` : "");
    find("before").disabled = part[0] === 0;
    find("after").disabled = part[0] === parts.length - 1;
  }
  function enter(next, drawn) { // and remember where we were
    trail.push([scene]);
    open(next, drawn);
  }
  function back() {
    if (!trail.length) return;
    const [last] = trail.pop(), { by } = scene;
    if (last.centre !== undefined) open(...walked(last.inside, last.centre)); else open(last, picture(last), by);
  }
  function click(box) {
    if (!control) return;
    const here = scene.nodes[box];
    const hits = steps.map((step, k) => (here.includes(step.o) ? k + 2 : 0)).filter(Boolean);
    if (here.includes(data.root)) hits.unshift(1);
    if (hits.length) control.go(hits.find((k) => k > control.at()) || hits[0]);
  }

  // ------------------------------------------------------------------------------------ parts of a stack
  function siblings() {
    return scene.part && scene.part[2] !== null ? scenes.filter((one) => one.part[2] === scene.part[2] && one.parent === scene.parent) : [];
  }
  function turn(to) { // to another part, in the place of this one
    const next = siblings()[to];
    if (!next) return header();
    const place = [glass.zoom(), view.scrollLeft, view.scrollTop];
    open(next);
    glass.scale(place[0]);
    [view.scrollLeft, view.scrollTop] = place.slice(1);
  }
  find("before").onclick = () => turn(scene.part[0] - 1);
  find("after").onclick = () => turn(scene.part[0] + 1);
  find("part").onchange = (event) => turn(Math.min(siblings().length, Math.max(1, Math.round(+event.target.value) || 1)) - 1);

  // --------------------------------------------------------------------- walking through what was cut
  function guide() {
    const home = scene.inside || scene;
    if (typeof home.whole !== "number" || !pack.length) return null;
    if (!walkers.has(home)) walkers.set(home, walker(pack[home.whole], data.upright, data.mirrored, first.querySelector("style")));
    return walkers.get(home);
  }
  function stubs(walk) { // what each leads to
    if (scene.inside) return scene.stubs;
    return scene.stubs.flatMap(([stub, host, before]) => {
      const own = walk.boxOf.get(scene.nodes[host][0]), end = before ? 0 : 1;
      const missing = (before ? walk.before : walk.after)[own].map((k) => walk.wires[k][end]).filter((box) => !boxOf.has(walk.node(box)));
      return missing.length ? [[stub, missing[before ? missing.length - 1 : 0]]] : [];
    });
  }
  function walked(home, centre) {
    const [drawn, one] = walkers.get(home).draw(centre);
    return [{ ...one, inside: home, centre, part: null }, drawn];
  }
  function wander(to) {
    const walk = guide();
    if (walk.beyond(to)) return notice("What follows is not on this page; in Python, draw(root, around=node) shows it.");
    enter(...walked(scene.inside || scene, to));
  }
  function notice(text) {
    find("notice").textContent = text;
    find("notice").hidden = !text;
  }
  find("seek").onchange = (event) => {
    const name = event.target.value.trim(), { names } = guide();
    const to = names.indexOf(name) >= 0 ? names.indexOf(name) : names.findIndex((one) => name && one.startsWith(name));
    notice(name && to < 0 ? `No node “${name}” on this page.` : "");
    if (to >= 0) { event.target.value = ""; view.focus(); wander(to); }
  };

  // ---------------------------------------------------------------------------------- moving and enlarging
  function fit() {
    const whole = glass.whole() / glass.large();
    glass.scale(glass.large() * (whole < 0.62 ? 0.9 : Math.min(1.5, whole))); // what does not fit is at least read with ease
    view.scrollLeft = view.scrollTop = 0;
    const centre = svg.querySelector(".centre") || boxes[scene.middle]; // of a picture that was cut: what it is about
    if (!centre) return;
    const frame = view.getBoundingClientRect(), box = centre.getBoundingClientRect();
    const into = (low, high, from, to) => (high - low > to - from ? low - from - 12 : (low + high - from - to) / 2); // a long box from its name on
    view.scrollLeft = into(box.left, box.right, frame.left, frame.right);
    view.scrollTop = into(box.top, box.bottom, frame.top, frame.bottom);
  }
  function reveal(elements) {
    const frame = view.getBoundingClientRect();
    let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
    for (const element of elements) {
      const r = element.getBoundingClientRect();
      left = Math.min(left, r.left); top = Math.min(top, r.top);
      right = Math.max(right, r.right); bottom = Math.max(bottom, r.bottom);
    }
    const shift = (low, high, from, to) => {
      if (low >= from && high <= to) return 0;
      return high - low > to - from ? high - to + 12 : low < from ? low - from - 12 : high - to + 12;
    };
    if (left < Infinity) {
      view.scrollLeft += shift(left, right, frame.left, frame.right);
      view.scrollTop += shift(top, bottom, frame.top, frame.bottom);
    }
  }
  find("fit").onclick = () => {
    fit();
    glass.scale(Math.min(1.5 * glass.large(), glass.whole()));
  };
  find("back").onclick = back;

  // -------------------------------------------------------------------------------------- the chain rule
  let last = 0, shown = 0; // 0: nothing has flowed; 1: the seed; k + 1: after product k
  function paint(element, text, sign) {
    const live = element.querySelector(".live");
    if (!live) return;
    live.textContent = text;
    live.classList.toggle("p", sign > 0);
    live.classList.toggle("m", sign < 0);
  }
  function show(at) {
    const step = at > 1 ? steps[at - 2] : null, moved = at !== shown;
    shown = at;
    if (moved && step && follow(step)) return;
    const grads = new Map(), seen = new Set();
    if (at) grads.set(data.root, data.seed);
    for (let k = 0; k < at - 1; k++) { grads.set(steps[k].o, steps[k].g); seen.add(edgeOf.get(steps[k].u)); }
    const { nodes, live, final } = scene;
    boxes.forEach((element, box) => {
      const own = live[box], members = nodes[box];
      element.classList.remove("act", "opd");
      const touched = members.some((node) => grads.has(node));
      element.classList.toggle("done", touched);
      if (own !== null) paint(element, ...(grads.get(own) || ["?", 0]));
      else paint(element, at === last ? final[box] : touched ? "…" : "?", 0);
    });
    for (const element of labels.keys()) call(element);
    edges.forEach((element, edge) => {
      element.classList.remove("on");
      element.classList.toggle("seen", seen.has(edge));
    });
    panel(at ? (at === 1 ? data.first : steps[at - 2]) : data.start);
    const focus = [];
    const mark = (node, name) => {
      if (boxOf.has(node)) { boxes[boxOf.get(node)].classList.add(name); focus.push(boxes[boxOf.get(node)]); }
    };
    if (at === 1) mark(data.root, "act");
    if (step) {
      mark(step.n, "act");
      mark(step.o, "opd");
      if (edgeOf.has(step.u)) {
        const edge = edges[edgeOf.get(step.u)];
        edge.classList.add("on");
        svg.insertBefore(edge, boxes[0]); // above the other wires
      }
    }
    const hidden = step && !edgeOf.has(step.u) && focus.length;
    const host = hidden ? focus[0].querySelector(".n").textContent : "";
    const open = hidden && focus[0].classList.contains("opens") ? ": click the box to look into it" : "";
    find("where").textContent = hidden ? `This product lies inside “${host}”${open}.` : "";
    reveal(focus);
    find("count").textContent = at === 1 ? "seed" : [Math.max(0, at - 1), last - 1].map((n) => n.toLocaleString("en")).join(" / ");
  }
  function follow(step) { // a step outside of a picture that was cut is looked for in the whole
    const walk = guide();
    if (!walk || (boxOf.has(step.n) && boxOf.has(step.o)) || !walk.boxOf.has(step.n)) return false;
    const centre = walk.boxOf.get(step.n);
    if (centre === scene.centre) return false;
    const home = scene.inside || scene;
    if (!scene.inside) trail.push([scene]);
    open(...walked(home, centre));
    return true;
  }
  function panel(step) {
    find("head").textContent = step.h;
    const list = find("rows");
    list.replaceChildren();
    for (const [key, value, style] of step.r) {
      const name = document.createElement("dt"), text = document.createElement("dd");
      name.textContent = key; text.textContent = value;
      name.className = text.className = style;
      list.append(name, text);
    }
    find("say").textContent = step.s;
  }
  async function start() {
    if (data.pack && window.DecompressionStream) {
      const bytes = Uint8Array.from(atob(data.pack), (letter) => letter.charCodeAt(0));
      pack = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
    }
    if (typeof steps === "number") steps = pack[steps] || [];
    if (!pack.length) scenes.length = 1;
    if (steps) {
      last = steps.length + 1;
      control = player(last, show, 1100);
    }
    open(scenes[0]);
    glass.settle(fit);
  }
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "INPUT") return;
    if (event.key === "Escape") back();
    if (event.key === "+" || event.key === "-") glass.by(event.key === "+" ? 1.25 : 0.8);
    if (event.key === "PageUp" || event.key === "PageDown") {
      if (find("parts").hidden) return;
      event.preventDefault();
      turn(scene.part[0] + (event.key === "PageUp" ? -1 : 1));
    }
  });
  start();
})();
