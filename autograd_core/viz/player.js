// A player: the buttons, the slider (see `controls`) and the keys that move through 0 … last. `show(at)` draws one and
// writes its sentence to #say, which is not read aloud while the player runs; `pause` is in milliseconds.
const player = (last, show, pause) => {
  "use strict";
  const find = (id) => document.getElementById(id);
  const range = find("range"), say = find("say");
  let at = 0, timer = 0;
  function move(to) {
    at = Math.max(0, Math.min(last, to));
    show(at);
    range.value = at;
    range.setAttribute("aria-valuetext", say.textContent);
    const held = document.activeElement;
    find("prev").disabled = find("first").disabled = at === 0;
    find("next").disabled = find("last").disabled = at === last;
    if (held.disabled) range.focus(); // a button that cannot be pressed any more keeps no focus
  }
  function play(on) {
    clearInterval(timer);
    timer = 0;
    if (on) {
      if (at === last) move(0);
      timer = setInterval(() => { move(at + 1); if (at === last) play(false); }, pause);
    }
    find("play").textContent = on ? "Pause" : "Play";
    say.setAttribute("aria-live", on ? "off" : "polite");
  }
  const go = (to) => { play(false); move(to); };
  range.max = last;
  range.oninput = () => go(+range.value);
  find("first").onclick = () => go(0);
  find("prev").onclick = () => go(at - 1);
  find("next").onclick = () => go(at + 1);
  find("last").onclick = () => go(last);
  find("play").onclick = () => play(!timer);
  find("play").disabled = last === 0;
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.tagName === "INPUT") return;
    if (event.key === " " && event.target === document.body) { event.preventDefault(); return play(!timer); }
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
    if (to !== undefined) { event.preventDefault(); go(to); }
  });
  return { go, at: () => at, again: () => move(at) };
};
