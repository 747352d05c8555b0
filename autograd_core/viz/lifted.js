// Two pictures of one computation: a box that is pointed at lights up its counterparts on the other side.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const say = find("say"), scalar = data.names.map((_, k) => find("b" + k)), calls = data.calls.map((call) => find("c" + call.box));
  const users = data.names.map(() => []);
  data.calls.forEach((call, k) => call.pairs.forEach((box) => users[box].push(k)));
  let held = null;
  const sides = [
    { own: calls, reach: (k) => data.calls[k].pairs.map((box) => scalar[box]), text: (k) => data.calls[k].say },
    { own: scalar, reach: (k) => users[k].map((call) => calls[call]),
      text: (k) => data.names[k] + (users[k].length ? " is computed by " + users[k].map((c) => data.calledBy[c]).join(", ") : " is a leaf, or part of no call") + "." },
  ];
  function light(side, k) {
    for (const element of [...calls, ...scalar]) element.classList.remove("lit", "held");
    if (!side) { say.textContent = data.say; return; }
    const others = side.reach(k);
    for (const element of [side.own[k], ...others]) element.classList.add("lit");
    reveal(others);
    if (held) side.own[k].classList.add("held");
    say.textContent = side.text(k);
  }
  function reveal(elements) { // unless one of them can be seen already
    if (!elements.length) return;
    const view = elements[0].closest(".view"), frame = view.getBoundingClientRect();
    const places = elements.map((element) => element.getBoundingClientRect());
    if (places.some((r) => r.left >= frame.left && r.right <= frame.right && r.top >= frame.top && r.bottom <= frame.bottom)) return;
    view.scrollLeft += places[0].left - frame.left - 20;
    view.scrollTop += places[0].top - frame.top - 20;
  }
  const rest = () => (held ? light(...held) : light(null));
  for (const side of sides) side.own.forEach((element, k) => {
    element.setAttribute("tabindex", "0");
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", side.text(k));
    const hold = () => { held = held && held[0] === side && held[1] === k ? null : [side, k]; light(side, k); };
    element.addEventListener("pointerenter", () => light(side, k));
    element.addEventListener("pointerleave", rest);
    element.addEventListener("focus", () => light(side, k));
    element.addEventListener("blur", rest);
    element.addEventListener("click", hold);
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); hold(); }
    });
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { held = null; light(null); } });
  light(null);
})();
