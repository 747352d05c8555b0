// The page: which picture is shown, where in the chain rule we are, and the panel. It computes nothing: every
// number is a text made by the engine. It writes with textContent only, so that no label can become an element.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.querySelector(".page"), view = page.querySelector(".view");
  const find = (id) => document.getElementById(id);
  const { scenes, steps } = data;
  let scene = 0, at = 0, timer = 0, zoom = 1, svg, boxOf, edgeOf, boxes, edges, natural;

  // ------------------------------------------------------------------------------------------ pictures
  function open(number) {
    scene = number;
    svg = find("scene" + number).content.firstElementChild.cloneNode(true);
    view.replaceChildren(svg);
    natural = [svg.viewBox.baseVal.width, svg.viewBox.baseVal.height];
    boxes = [...svg.querySelectorAll(".b")];
    edges = [...svg.querySelectorAll(".e")];
    boxOf = new Map(); edgeOf = new Map();
    scenes[number].nodes.forEach((members, box) => members.forEach((node) => boxOf.set(node, box)));
    scenes[number].uses.forEach((members, edge) => members.forEach((use) => edgeOf.set(use, edge)));
    const inside = new Set(scenes[number].opens.map((pair) => pair[0]));
    boxes.forEach((element, box) => {
      if (inside.has(box) || !element.classList.contains("opens")) return;
      element.classList.remove("opens"); // left out of this page
      element.querySelector("path.q").remove();
    });
    for (const [box, target] of scenes[number].opens) {
      const element = svg.querySelector("#b" + box);
      element.setAttribute("tabindex", "0");
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", "Open " + scenes[target].title);
      element.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(target); }
      });
    }
    for (const element of boxes) element.addEventListener("click", () => click(+element.id.slice(1)));
    find("title").textContent = trail(number);
    find("back").hidden = scenes[number].parent === null;
    fit();
    if (steps) show(at);
  }
  function trail(number) {
    const names = [];
    for (let s = number; s !== null; s = scenes[s].parent) names.unshift(scenes[s].title);
    return names.join(" › ");
  }
  function click(box) {
    if (dragged) return;
    const inside = scenes[scene].opens.find((pair) => pair[0] === box);
    if (inside) return open(inside[1]);
    if (!steps) return;
    const here = scenes[scene].nodes[box];
    const hits = steps.map((step, k) => (here.includes(step.o) ? k + 2 : 0)).filter(Boolean);
    if (here.includes(data.root)) hits.unshift(1);
    if (hits.length) { play(false); show(hits.find((k) => k > at) || hits[0]); }
  }

  // ---------------------------------------------------------------------------------- moving and enlarging
  function scale(to, x = view.clientWidth / 2, y = view.clientHeight / 2) {
    const old = zoom, left = view.scrollLeft + x, top = view.scrollTop + y;
    zoom = Math.min(4, Math.max(0.08, to));
    svg.setAttribute("width", natural[0] * zoom);
    svg.setAttribute("height", natural[1] * zoom);
    view.scrollLeft = left * zoom / old - x;
    view.scrollTop = top * zoom / old - y;
  }
  function fit() {
    const whole = Math.min((view.clientWidth - 4) / natural[0], (view.clientHeight - 4) / natural[1]);
    zoom = 1;
    scale(Math.min(1.5, Math.max(whole, 0.8)));
    view.scrollLeft = view.scrollTop = 0;
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
  let dragged = false, grip = null;
  view.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.pointerType === "mouse" && event.button === 0)
      grip = [event.clientX, event.clientY, view.scrollLeft, view.scrollTop];
  });
  window.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const dx = event.clientX - grip[0], dy = event.clientY - grip[1];
    if (Math.abs(dx) + Math.abs(dy) > 4) { dragged = true; view.classList.add("drag"); }
    if (dragged) { view.scrollLeft = grip[2] - dx; view.scrollTop = grip[3] - dy; }
  });
  window.addEventListener("pointerup", () => { grip = null; view.classList.remove("drag"); });
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const frame = view.getBoundingClientRect();
    scale(zoom * Math.exp(-event.deltaY / 300), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  find("larger").onclick = () => scale(zoom * 1.25);
  find("smaller").onclick = () => scale(zoom / 1.25);
  find("fit").onclick = () => {
    fit();
    const whole = Math.min((view.clientWidth - 4) / natural[0], (view.clientHeight - 4) / natural[1]);
    scale(Math.min(1.5, whole));
  };
  find("back").onclick = () => open(scenes[scene].parent);

  // -------------------------------------------------------------------------------------- the chain rule
  const last = steps ? steps.length + 1 : 0; // 0: nothing has flowed; 1: the seed; k + 1: after product k
  function paint(element, text, sign) {
    const live = element.querySelector(".live");
    if (!live) return;
    live.textContent = text;
    live.classList.toggle("p", sign > 0);
    live.classList.toggle("m", sign < 0);
  }
  function show(to) {
    at = Math.max(0, Math.min(last, to));
    const grads = new Map(), seen = new Set();
    if (at) grads.set(data.root, data.seed);
    for (let k = 0; k < at - 1; k++) { grads.set(steps[k].o, steps[k].g); seen.add(edgeOf.get(steps[k].u)); }
    const { nodes, live, final } = scenes[scene];
    boxes.forEach((element, box) => {
      const own = live[box], members = nodes[box];
      element.classList.remove("act", "opd");
      const touched = members.some((node) => grads.has(node));
      element.classList.toggle("done", touched);
      if (own !== null) paint(element, ...(grads.get(own) || ["?", 0]));
      else paint(element, at === last ? final[box] : touched ? "…" : "?", 0);
    });
    edges.forEach((element, edge) => {
      element.classList.remove("on");
      element.classList.toggle("seen", seen.has(edge));
    });
    panel(at ? (at === 1 ? data.first : steps[at - 2]) : data.start);
    const step = at > 1 ? steps[at - 2] : null, focus = [];
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
    find("where").textContent = hidden ? `This product lies inside “${host}”: click the box to look into it.` : "";
    reveal(focus);
    const range = find("range");
    range.value = at;
    range.setAttribute("aria-valuetext", find("say").textContent);
    find("count").textContent = at + " / " + last;
    find("prev").disabled = find("first").disabled = at === 0;
    find("next").disabled = find("last").disabled = at === last;
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
  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on) {
      if (at === last) show(0);
      timer = setInterval(() => { show(at + 1); if (at === last) play(false); }, 1100);
    }
    find("play").textContent = on ? "Pause" : "Play";
    find("play").setAttribute("aria-pressed", String(!!on));
    find("say").setAttribute("aria-live", on ? "off" : "polite");
  }
  const go = (to) => { play(false); show(to); };
  if (steps) {
    find("range").max = last;
    find("first").onclick = () => go(0);
    find("prev").onclick = () => go(at - 1);
    find("next").onclick = () => go(at + 1);
    find("last").onclick = () => go(last);
    find("play").onclick = () => play(!timer);
    find("range").oninput = (event) => go(+event.target.value);
  }
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape" && scenes[scene].parent !== null) return open(scenes[scene].parent);
    if (event.key === "+" || event.key === "-") return scale(event.key === "+" ? zoom * 1.25 : zoom / 1.25);
    if (!steps || event.target === find("range")) return;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
    if (to !== undefined) { event.preventDefault(); go(to); }
  });
  open(0);
})();
