// A graph too large for one picture: the neighbourhood of any of its boxes. Boxes and wires come drawn (see pack.py) and
// are placed here, by the passes of layout.py: columns, lanes, order, coordinates.
const walker = (whole, upright, mirrored, style) => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg", LIMIT = 40, GAP = 16, CURVE = 34, MARGIN = 14, LANE = 9;
  const FRAME = upright ? (mirrored ? [14, 36, 14, 16] : [36, 14, 14, 16]) : [14, 16, 34, 12]; // inside a border: before, after, sides
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
      item.set(box, { box, within: whole.within[box], along: upright ? height : width, across: upright ? width : height });
    }
    for (const box of kept)
      sides.forEach(([side, end], after) => {
        const missing = [...new Set(side[box].map((k) => wires[k][end]))].filter((other) => !item.has(other));
        if (!missing.length) return;
        const text = "⋯ " + missing.length.toLocaleString("en") + " more", wide = 22 + 8 * text.length;
        const stub = { text, within: whole.within[box], to: missing[after ? 0 : missing.length - 1], along: upright ? 26 : wide, across: upright ? wide : 26 };
        stubs[after].push(stub);
        const ends = after ? { from: item.get(box), to: stub } : { from: stub, to: item.get(box) };
        links.push({ ...ends, port: 0, room: 8 });
      });
    wires.forEach(([from, to, port, room], k) => {
      if (item.has(from) && item.has(to)) links.push({ from: item.get(from), to: item.get(to), port, room, wire: k });
    });
    const items = [...stubs[0], ...item.values(), ...stubs[1]];
    return [items, links];
  }

  // Every container that an item stands in is a level: it is laid out by itself and is then one large item of the level
  // around it. A link is a trip of stretches, one for each level that it passes; on the border of a container is an entry
  // or exit for each source.
  const around = (group) => (group < 0 ? [-1] : [group, ...around(whole.containers[group][1])]);
  function levelsOf(items, links) {
    const levels = new Map();
    const level = (group) => {
      if (!levels.has(group)) {
        const one = { group, items: [], stretches: [], entries: new Map(), exits: new Map() };
        levels.set(group, one);
        if (group >= 0) level(whole.containers[group][1]).items.push((one.item = { level: one, within: whole.containers[group][1] }));
      }
      return levels.get(group);
    };
    const border = (one, side, source) => {
      if (!one[side].has(source)) one[side].set(source, { border: side, along: 0, across: 4 });
      return one[side].get(source);
    };
    level(-1);
    for (const item of items) level(item.within).items.push(item);
    for (const link of links) {
      const up = around(link.from.within), down = around(link.to.within), common = up.find((group) => down.includes(group));
      const ends = [...down.slice(0, down.indexOf(common)).map((group) => level(group)).reverse()];
      let here = link.from;
      link.trip = [];
      const go = (one, from, to) => {
        const stretch = { link, from, to, within: one };
        one.stretches.push(stretch);
        link.trip.push(stretch);
      };
      for (const group of up.slice(0, up.indexOf(common))) {
        go(level(group), here, border(level(group), "exits", link.from));
        here = level(group).item;
      }
      go(level(common), here, ends.length ? ends[0].item : link.to);
      ends.forEach((one, k) => go(one, border(one, "entries", link.from), k + 1 < ends.length ? ends[k + 1].item : link.to));
    }
    for (const one of levels.values()) one.items.push(...one.entries.values(), ...one.exits.values());
    return [...levels.values()].sort((a, b) => around(b.group).length - around(a.group).length);
  }

  // Every item in the last column before its first consumer, entries in the first, exits in the last; a stretch that
  // skips columns has a lane in each.
  function columnsOf({ items, stretches, entries }) {
    const out = new Map(items.map((item) => [item, []]));
    for (const item of items) Object.assign(item, { column: entries.size && item.border !== "entries" ? 1 : 0, before: [], after: [], waiting: 0 });
    for (const { from, to } of stretches) { out.get(from).push(to); to.waiting++; }
    const sorted = items.filter((item) => !item.waiting);
    for (const item of sorted) // grows
      for (const to of out.get(item)) {
        to.column = Math.max(to.column, item.column + 1);
        if (!--to.waiting) sorted.push(to);
      }
    const last = 1 + Math.max(0, ...items.map((item) => (item.border === "exits" ? 0 : item.column)));
    for (const item of sorted.reverse())
      if (item.border === "exits") item.column = last;
      else if (out.get(item).length && !item.border) item.column = Math.min(...out.get(item).map((to) => to.column)) - 1;
    const lanes = new Map(), all = [...items];
    const join = (from, leaves, to, enters) => {
      if (from.after.some(([other, there, here]) => other === to && there === enters && here === leaves)) return;
      from.after.push([to, enters, leaves]);
      to.before.push([from, leaves, enters]);
    };
    for (const stretch of stretches) {
      const { from, to, link } = stretch;
      stretch.leaves = from.level ? from.level.exits.get(link.from).at - from.across / 2 : 0;
      stretch.enters = to.level ? to.level.entries.get(link.from).at - to.across / 2 : to === link.to ? link.port : 0;
      stretch.path = [from];
      for (let column = from.column + 1; column < to.column; column++) {
        const key = `${items.indexOf(from)} ${stretch.leaves} ${column}`;
        if (!lanes.has(key)) {
          lanes.set(key, { lane: true, along: 0, across: LANE, column, before: [], after: [] });
          all.push(lanes.get(key));
        }
        stretch.path.push(lanes.get(key));
      }
      stretch.path.push(to);
      stretch.path.slice(1).forEach((next, k, path) =>
        join(stretch.path[k], k ? 0 : stretch.leaves, next, k === path.length - 1 ? stretch.enters : 0));
    }
    for (const item of all) item.leaf = !item.before.length && !item.level && !item.border;
    const lowest = Math.min(...all.map((item) => item.column)), seen = new Set();
    const columns = Array.from({ length: Math.max(...all.map((item) => item.column)) - lowest + 1 }, () => []);
    const visit = (item) => { // depth first from the results, so that what belongs together starts together
      if (seen.has(item)) return;
      seen.add(item);
      item.column -= lowest;
      columns[item.column].push(item);
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
            const force = (other.lane ? (item.lane ? 8 : 3) : item.lane ? 3 : 1) * (other.leaf || item.leaf ? 0.1 : 1);
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

  // Where the columns of a level begin and end along the flow; its size; the knots of every stretch.
  function route(level, columns) {
    const room = columns.map(() => 0), reach = columns.map(() => 0), begin = [], end = [];
    for (const { path, link, to } of level.stretches) {
      if (to === link.to) room[to.column] = Math.max(room[to.column], link.room);
      path.slice(1).forEach((next, k) => {
        reach[next.column] = Math.max(reach[next.column], Math.abs(next.at - path[k].at));
      });
    }
    const [start, stop, head, foot] = level.group < 0 ? [0, 0, 0, 0] : FRAME, all = columns.flat();
    const low = Math.min(...all.map((item) => item.at - item.across / 2)) - head;
    level.across = Math.max(...all.map((item) => item.at + item.across / 2)) + foot - low;
    let total = level.entries.size ? 0 : start;
    columns.forEach((column, c) => {
      if (c) total += Math.min(CURVE + 0.1 * reach[c], 3 * CURVE);
      begin.push(total);
      total += room[c];
      const widest = Math.max(0, ...column.map((item) => item.along));
      for (const item of column) { item.middle = total + widest / 2; item.at -= low; }
      end.push((total += widest));
    });
    level.along = total + (level.exits.size ? 0 : stop);
    for (const stretch of level.stretches) {
      const { from, to, path } = stretch, here = from.at + stretch.leaves, there = to.at + stretch.enters;
      stretch.knots = [[from.middle + from.along / 2, here], [end[from.column], here]];
      for (const lane of path.slice(1, -1)) stretch.knots.push([begin[lane.column], lane.at], [end[lane.column], lane.at]);
      stretch.knots.push([begin[to.column], there], [to.middle - to.along / 2, there]);
    }
    if (level.item) Object.assign(level.item, { along: level.along, across: level.across });
  }

  // Everything at its place in the whole picture.
  function settle(level, along, across) {
    level.corner = [along, across];
    for (const item of level.items) {
      item.middle += along;
      item.at += across;
      if (item.level) settle(item.level, item.middle - item.along / 2, item.at - item.across / 2);
    }
  }

  function draw(centre) {
    const [items, links] = cut(centre), levels = levelsOf(items, links), picture = levels.at(-1);
    for (const level of levels) {
      const columns = order(columnsOf(level));
      coordinates(columns);
      route(level, columns);
    }
    settle(picture, 0, 0);
    for (const link of links)
      link.knots = link.trip.flatMap(({ knots, within: { corner } }) => knots.map(([a, b]) => [a + corner[0], b + corner[1]]));
    const { along, across } = picture;
    const turn = (a, b) => {
      const flow = (mirrored ? along - a : a) + MARGIN, side = b + MARGIN;
      return (upright ? [side, flow] : [flow, side]).map(Math.round);
    };
    const svg = make("svg", { class: "ag", role: "img", "aria-label": "The graph around " + whole.names[centre] });
    const size = [along + 2 * MARGIN, across + 2 * MARGIN + 20].map(Math.ceil);
    const [width, height] = upright ? [size[1], size[0] + 20] : size;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.append(style.cloneNode(true));
    svg.append(make("rect", { class: "bg", width, height, rx: 8 }));
    for (const { group, corner, along, across } of levels.slice(0, -1).reverse()) {
      const ends = [turn(...corner), turn(corner[0] + along, corner[1] + across)];
      const [x, y] = [0, 1].map((k) => Math.min(ends[0][k], ends[1][k])), wide = Math.abs(ends[1][0] - ends[0][0]);
      const [title] = whole.containers[group], most = Math.max(2, Math.floor((wide - 20) / 7));
      svg.append(make("rect", { class: "f", x, y, width: wide, height: Math.abs(ends[1][1] - ends[0][1]), rx: 10 }));
      svg.append(make("text", { class: "ft", x: x + 12, y: y + 19 }, [title.length > most ? title.slice(0, most - 1) + "…" : title]));
    }
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
    const path = around(whole.within[centre]).slice(0, -1).reverse().map((group) => whole.containers[group][0].split(" · ")[0]).join(" › ");
    return [svg, { ...scene, title: "around " + whole.names[centre] + (path ? ` (in ${path})` : "") }];
  }

  const node = (box) => whole.nodes[box][0];
  return { draw, boxOf, names: whole.names, beyond, before, after, wires, node };
};
