// A graph too large for one picture: the neighbourhood of any of its boxes. Boxes and wires come drawn (see pack.py) and
// are placed here, by the passes of layout.py: columns, lanes, order, coordinates.
const walker = (whole, upright, mirrored) => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg", LIMIT = 40, GAP = 16, CURVE = 34, MARGIN = 14, LANE = 9;
  const sheet = new DOMParser().parseFromString(whole.svg, "image/svg+xml").documentElement;
  const drawn = { boxes: [...sheet.querySelectorAll(".b")], wires: [...sheet.querySelectorAll(".e")] };
  const wires = drawn.wires.map((_, k) => whole.wires.slice(4 * k, 4 * k + 4));
  const before = whole.names.map(() => []), after = whole.names.map(() => []);
  wires.forEach(([from, to], k) => { before[to].push(k); after[from].push(k); });
  const sides = [[before, 0], [after, 1]];
  const boxOf = new Map(whole.nodes.flatMap((members, box) => members.map((node) => [node, box])));
  const beyond = (box) => drawn.boxes[box].classList.contains("rest"); // the page itself ends here

  const mean = (list, of) => list.reduce((sum, item) => sum + of(item), 0) / list.length;
  function make(name, attributes, inside = []) {
    const element = document.createElementNS(SVG, name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    element.append(...inside);
    return element;
  }

  // The boxes nearest to one of them; what else uses a weight is not near.
  function near(centre) {
    const kept = new Set([centre]);
    for (const box of kept) {
      const leaf = box !== centre && !before[box].length;
      for (const [side, end] of leaf ? sides.slice(0, 1) : sides)
        for (const k of side[box]) if (kept.size < LIMIT) kept.add(wires[k][end]);
    }
    return [...kept].sort((a, b) => a - b);
  }

  // Items in topological order, and the links between them; where the picture ends, a stub.
  function cut(centre) {
    const kept = near(centre), item = new Map(), stubs = [[], []], links = [];
    for (const box of kept) {
      const [width, height] = whole.boxes.slice(2 * box, 2 * box + 2);
      item.set(box, { box, along: upright ? height : width, across: upright ? width : height });
    }
    for (const box of kept)
      sides.forEach(([side, end], after) => {
        const missing = [...new Set(side[box].map((k) => wires[k][end]))].filter((other) => !item.has(other));
        if (!missing.length) return;
        const text = "⋯ " + missing.length.toLocaleString("en") + " more", wide = 22 + 8 * text.length;
        const stub = { text, to: missing[after ? 0 : missing.length - 1], along: upright ? 26 : wide, across: upright ? wide : 26 };
        stubs[after].push(stub);
        const ends = after ? { from: item.get(box), to: stub } : { from: stub, to: item.get(box) };
        links.push({ ...ends, port: 0, room: 8 });
      });
    wires.forEach(([from, to, port, room], k) => {
      if (item.has(from) && item.has(to)) links.push({ from: item.get(from), to: item.get(to), port, room, wire: k });
    });
    const items = [...stubs[0], ...item.values(), ...stubs[1]];
    for (const one of items) Object.assign(one, { column: 0, before: [], after: [] });
    return [items, links];
  }

  // Every item in the last column before its first consumer; a link that skips columns has a lane in each.
  function columnsOf(items, links) {
    const out = new Map(items.map((item) => [item, []]));
    for (const link of links) out.get(link.from).push(link);
    for (const item of items) for (const { to } of out.get(item)) to.column = Math.max(to.column, item.column + 1);
    for (const item of [...items].reverse())
      if (out.get(item).length) item.column = Math.min(...out.get(item).map(({ to }) => to.column)) - 1;
    const lanes = new Map(), columns = [];
    const all = [...items];
    const join = (from, to, into) => {
      if (from.after.some(([other, there]) => other === to && there === into)) return;
      from.after.push([to, into, 0]);
      to.before.push([from, 0, into]);
    };
    for (const link of links) {
      link.path = [link.from];
      for (let column = link.from.column + 1; column < link.to.column; column++) {
        const key = items.indexOf(link.from) + " " + column;
        if (!lanes.has(key)) {
          lanes.set(key, { lane: true, along: 0, across: LANE, column, before: [], after: [] });
          all.push(lanes.get(key));
        }
        link.path.push(lanes.get(key));
      }
      link.path.push(link.to);
      link.path.slice(1).forEach((to, k, path) => join(link.path[k], to, k === path.length - 1 ? link.port : 0));
    }
    const lowest = Math.min(...all.map((item) => item.column)), seen = new Set();
    const visit = (item) => { // depth first from the results, so that what belongs together starts together
      if (seen.has(item)) return;
      seen.add(item);
      (columns[item.column - lowest] ||= []).push(item);
      [...item.before].sort((a, b) => a[2] - b[2]).forEach(([other]) => visit(other));
    };
    all.filter((item) => !item.after.length).forEach(visit);
    return columns;
  }

  const ends = (item, side) => item[side].map(([other, there]) => other.rank + there / Math.max(other.across, 1));
  function crossings(columns) {
    let total = 0;
    for (const column of columns) {
      const all = column.flatMap((item) => ends(item, "after").sort((a, b) => a - b));
      all.forEach((end, k) => { for (let j = 0; j < k; j++) total += all[j] > end; });
    }
    return total;
  }
  function order(columns) {
    const number = (column) => column.forEach((item, k) => { item.rank = k; });
    columns.forEach(number);
    let best = columns.map((column) => [...column]), fewest = crossings(columns);
    for (let sweep = 0; sweep < 12 && fewest; sweep++) {
      const side = sweep % 2 ? "after" : "before";
      for (const column of sweep % 2 ? [...columns].reverse() : columns) {
        for (const item of column) item.wish = item[side].length ? mean(ends(item, side), (end) => end) : item.rank;
        column.sort((a, b) => a.wish - b.wish);
        number(column);
      }
      const count = crossings(columns);
      if (count < fewest) { fewest = count; best = columns.map((column) => [...column]); }
    }
    return best;
  }

  // Each item at the mean of its neighbours, as near as order and gaps allow (isotonic regression).
  function coordinates(columns) {
    const away = columns.map((column) => {
      let total = 0;
      return column.map((item, k) => { if (k) total += (column[k - 1].across + item.across) / 2 + GAP; return total; });
    });
    columns.forEach((column, c) => column.forEach((item, k) => { item.at = away[c][k] - away[c][column.length - 1] / 2; }));
    for (let turn = 0; turn < 24; turn++) {
      const sweep = columns.map((_, c) => (turn % 2 ? columns.length - 1 - c : c));
      for (const c of sweep) {
        const blocks = [];
        columns[c].forEach((item, k) => {
          const pulls = turn > 3 ? [...item.before, ...item.after] : item[turn % 2 ? "after" : "before"];
          let weight = 0, sum = 0;
          for (const [other, there, here] of pulls) { // long wires are kept straight, leaves give way
            const force = (other.lane ? (item.lane ? 8 : 3) : item.lane ? 3 : 1) * (other.before.length && item.before.length ? 1 : 0.1);
            weight += force;
            sum += force * (other.at + there - here);
          }
          const wish = weight ? sum / weight : item.at;
          weight ||= 0.1;
          blocks.push([(wish - away[c][k]) * weight, weight, [k]]);
          while (blocks.length > 1 && blocks.at(-2)[0] * blocks.at(-1)[1] >= blocks.at(-1)[0] * blocks.at(-2)[1]) {
            const [total, heavy, members] = blocks.pop(), last = blocks.at(-1);
            last[0] += total; last[1] += heavy; last[2].push(...members);
          }
        });
        for (const [sum, weight, members] of blocks) for (const k of members) columns[c][k].at = sum / weight + away[c][k];
      }
    }
  }

  // Where the columns begin and end along the flow; the knots of every link.
  function route(columns, links) {
    const room = columns.map(() => 0), reach = columns.map(() => 0), begin = [], end = [];
    const lowest = Math.min(...columns.flat().map((item) => item.column));
    for (const { path, room: label, to } of links) {
      room[to.column - lowest] = Math.max(room[to.column - lowest], label);
      path.slice(1).forEach((next, k) => {
        const c = next.column - lowest;
        reach[c] = Math.max(reach[c], Math.abs(next.at - path[k].at));
      });
    }
    let total = 0;
    columns.forEach((column, c) => {
      if (c) total += Math.min(CURVE + 0.1 * reach[c], 3 * CURVE);
      begin.push(total);
      total += room[c];
      const widest = Math.max(...column.map((item) => item.along));
      for (const item of column) item.middle = total + widest / 2;
      end.push((total += widest));
    });
    for (const link of links) {
      const { from, to, path } = link, there = to.at + link.port;
      link.knots = [[from.middle + from.along / 2, from.at], [end[from.column - lowest], from.at]];
      for (const lane of path.slice(1, -1)) link.knots.push([begin[lane.column - lowest], lane.at], [end[lane.column - lowest], lane.at]);
      link.knots.push([begin[to.column - lowest], there], [to.middle - to.along / 2, there]);
    }
    return total;
  }

  function draw(centre) {
    const [items, links] = cut(centre), columns = order(columnsOf(items, links));
    coordinates(columns);
    const along = route(columns, links), all = columns.flat();
    const low = Math.min(...all.map((item) => item.at - item.across / 2)), high = Math.max(...all.map((item) => item.at + item.across / 2));
    const turn = (a, b) => {
      const flow = (mirrored ? along - a : a) + MARGIN, side = b - low + MARGIN;
      return (upright ? [side, flow] : [flow, side]).map(Math.round);
    };
    const svg = make("svg", { class: "ag", role: "img", "aria-label": "The graph around " + whole.names[centre] });
    const size = [along + 2 * MARGIN, high - low + 2 * MARGIN + 20].map(Math.ceil);
    const [width, height] = upright ? [size[1], size[0] + 20] : size;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.append(document.getElementById("scene").content.querySelector("style").cloneNode(true));
    svg.append(make("rect", { class: "bg", width, height, rx: 8 }));
    const scene = { nodes: [], uses: [], live: [], final: [], stubs: [], opens: [], whole: null };
    for (const link of links) {
      const known = link.wire !== undefined;
      const element = document.importNode(drawn.wires[known ? link.wire : 0], true);
      if (!known) element.querySelectorAll(".l, title").forEach((part) => part.remove());
      const tip = link.knots.at(-1), knots = [...link.knots.slice(0, -1), [tip[0] - 5, tip[1]]];
      let path = "M" + turn(...knots[0]).join(" ");
      knots.slice(1).forEach(([a, b], k) => {
        const [x, y] = knots[k], half = (x + a) / 2;
        path += Math.abs(y - b) < 0.5 ? "L" + turn(a, b).join(" ") : "C" + [[half, y], [half, b], [a, b]].map((p) => turn(...p).join(" ")).join(" ");
      });
      element.querySelector(".w").setAttribute("d", path);
      for (const [name, place] of [[".h", tip], [".l", tip], [".r", link.knots[0]]])
        element.querySelector(name)?.setAttribute("transform", `translate(${turn(...place).join(" ")})`);
      element.id = "e" + scene.uses.length;
      scene.uses.push(known && whole.uses.length ? whole.uses[link.wire] : []);
      svg.append(element);
    }
    for (const item of items) {
      const [x, y] = turn(item.middle, item.at), [w, h] = upright ? [item.across, item.along] : [item.along, item.across];
      const number = scene.nodes.length, known = item.box !== undefined, box = known ? item.box : null;
      const element = known ? document.importNode(drawn.boxes[box], true) : make("g", { class: "b rest" }, [
        make("rect", { class: "o", width: w, height: h, rx: 9 }),
        make("text", { class: "t", x: 9, y: h / 2 + 4 }, [make("tspan", { class: "n" }, [item.text])]),
      ]);
      element.setAttribute("transform", `translate(${Math.round(x - w / 2)} ${Math.round(y - h / 2)})`);
      element.id = "b" + number;
      element.classList.remove("opens");
      element.querySelector("path.q")?.remove();
      if (box === centre) element.classList.add("centre");
      svg.append(element);
      scene.nodes.push(known ? whole.nodes[box] : []);
      scene.live.push(known && whole.live ? whole.live[box] : null);
      scene.final.push(known && whole.final ? whole.final[box] : "");
      if (!known || beyond(box)) scene.stubs.push([number, known ? box : item.to]);
    }
    const shown = items.filter((item) => item.box !== undefined).length;
    const note = `${shown.toLocaleString("en")} of ${whole.names.length.toLocaleString("en")} boxes are shown: those nearest to ${whole.names[centre]}.`;
    svg.append(make("text", { class: "s", x: MARGIN, y: height - 12 }, [note]));
    const around = whole.containers[whole.within[centre]]; // the modules, which a neighbourhood has no frames for
    return [svg, { ...scene, title: "around " + whole.names[centre] + (around ? ` (in ${around})` : "") }];
  }

  const node = (box) => whole.nodes[box][0];
  return { draw, boxOf, names: whole.names, beyond, before, after, wires, node };
};
