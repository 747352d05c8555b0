// A lens over a picture that is larger than its frame: dragged with the mouse, made larger and smaller with the wheel and with
// the buttons #larger and #smaller. `wheel` says whether the wheel is free without a key held; `moved` is told of every change.
// What chooses the first view is given to `settle`, and asked again when the frame gets another size (in a notebook the page
// runs before its frame has any), until the reader takes over.
const lens = (view, wheel, moved) => {
  "use strict";
  const large = () => parseFloat(getComputedStyle(document.body).fontSize) / 15; // on a large screen everything is larger
  let svg = null, size = [1, 1], zoom = 1, dragged = false, grip = null;
  function show(picture) {
    svg = picture;
    size = [svg.viewBox.baseVal.width, svg.viewBox.baseVal.height];
    zoom = 1;
  }
  function scale(to, x = view.clientWidth / 2, y = view.clientHeight / 2) { // the point (x, y) of the frame stays where it is
    const old = zoom, left = view.scrollLeft + x, top = view.scrollTop + y;
    zoom = Math.min(8, Math.max(0.05, to));
    svg.setAttribute("width", size[0] * zoom);
    svg.setAttribute("height", size[1] * zoom);
    view.scrollLeft = left * zoom / old - x;
    view.scrollTop = top * zoom / old - y;
    moved();
  }
  const by = (factor) => scale(zoom * factor);
  view.addEventListener("pointerdown", (event) => {
    dragged = false;
    if (event.pointerType === "mouse" && event.button === 0) grip = [event.clientX, event.clientY, view.scrollLeft, view.scrollTop];
  });
  window.addEventListener("pointermove", (event) => {
    if (!grip) return;
    const dx = event.clientX - grip[0], dy = event.clientY - grip[1];
    if (Math.abs(dx) + Math.abs(dy) > 4) { dragged = true; view.classList.add("drag"); }
    if (dragged) { view.scrollLeft = grip[2] - dx; view.scrollTop = grip[3] - dy; }
  });
  window.addEventListener("pointerup", () => { // a click that ends a drag comes before the time-out, and is none
    grip = null;
    view.classList.remove("drag");
    setTimeout(() => { dragged = false; });
  });
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !wheel()) return;
    event.preventDefault();
    const frame = view.getBoundingClientRect();
    scale(zoom * Math.exp(-event.deltaY / 400), event.clientX - frame.left, event.clientY - frame.top);
  }, { passive: false });
  let untouched = true;
  for (const kind of ["pointerdown", "wheel", "keydown"]) window.addEventListener(kind, () => { untouched = false; }, { capture: true, passive: true });
  const settle = (choose) => new ResizeObserver(() => { if (untouched && view.clientWidth) choose(); }).observe(view);
  document.getElementById("larger").onclick = () => by(1.25);
  document.getElementById("smaller").onclick = () => by(0.8);
  return {
    show, scale, by, settle, large,
    zoom: () => zoom,
    dragged: () => dragged,
    gripped: () => grip !== null,
    across: () => (view.clientWidth - 18) / size[0],
    whole: () => Math.min((view.clientWidth - 4) / size[0], (view.clientHeight - 4) / size[1]),
  };
};
