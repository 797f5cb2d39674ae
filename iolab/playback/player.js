// The player of a replay: one ES module for a widget and for a page by itself. It fetches nothing.
//
// Theory of operation. The data are times alone (see stage.py), so what is to be seen at a moment follows from the
// moment: `show(t)` finds it by looking the times up, and touches only what differs from the picture before. There
// are two clocks: the run's, in nanoseconds, and the viewer's, in seconds. A speed of 1:10,000 makes one of the other
// by a factor. At "each step readable" every stretch between two events takes long enough to be seen, however short it was.

const STATES = ["running", "asleep", "waking", "preempted", "lock", "away"];
const WORDS = {
  running: "running", asleep: "asleep", waking: "being woken", preempted: "preempted", lock: "waits for a lock",
  away: "not there",
};
const SPEEDS = [["0", "each step readable"], ["100000", "1:100,000"], ["10000", "1:10,000"], ["1000", "1:1,000"],
  ["100", "1:100"], ["10", "1:10"], ["1", "1:1 (real time)"]];
const LANES = 6, CHIPS = 8, TABLE_ROWS = 200;
const SHORTEST_S = 0.1, FLIGHT_S = 0.45, LONGEST_S = 0.9, SLOW = 20000, SAME_NS = 250, STILL_S = 0.9;
const STILL = "(prefers-reduced-motion: reduce)";

const BASE = 36;
const unstep = (steps, tick) => {
  let sum = 0;
  return Float64Array.from(unrun(steps), (step) => (sum += step) * tick);
};
const unrun = (column) => {
  if (Array.isArray(column)) return column;
  if (typeof column === "string") return column.split(" ").map((number) => parseInt(number, BASE));
  if (column.digits) return [...column.digits].map((digit) => parseInt(digit, BASE) + column.from);
  const all = [], { runs } = column;
  for (let i = 0; i < runs.length; i += 2) for (let n = runs[i + 1]; n > 0; n--) all.push(runs[i]);
  return all;
};
// How many of these times, in their order, are not after t.
const count = (times, t) => {
  let low = 0, high = times.length;
  while (low < high) { const mid = (low + high) >> 1; if (times[mid] <= t) low = mid + 1; else high = mid; }
  return low;
};
export const shortTime = (ns) => {
  const sign = ns < 0 ? "−" : "";
  const size = Math.abs(ns);
  for (const [unit, factor] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (size >= factor) return `${sign}${Number((size / factor).toPrecision(3))} ${unit}`;
  }
  return `${sign}${Math.round(size)} ns`;
};
const bytes = (size) => size < 10000 ? `${size.toLocaleString("en")} B` : `${Math.round(size / 1000).toLocaleString("en")} kB`;

const make = (parent, tag, className = "", text = "", attributes = {}) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
};
// Setters that leave the page alone where nothing changed.
const write = (element, text) => { if (element.shown !== text) element.textContent = element.shown = text; };
const dress = (element, className) => { if (element.worn !== className) element.className = element.worn = className; };
const style = (element, name, value) => {
  const styles = (element.styles ??= {});
  if (styles[name] !== value) { styles[name] = value; element.style.setProperty(name, value); }
};
// Put a packet on its way, from 0 at the left end to 1 at the right.
const place = (packet, share) => style(packet, "left", `calc(22px + ${share.toFixed(3)} * (100% - 44px))`);
// Words between backquotes become code.
const say = (element, sentence) => {
  if (element.shown === sentence) return;
  element.shown = sentence;
  element.replaceChildren(...sentence.split("`").map((part, i) => i % 2 ? make(null, "code", "", part) : part));
};

class Run {
  constructor(data) {
    Object.assign(this, data);
    const { calls, tick } = data;
    const [start, end] = spans(calls, tick), kind = unrun(calls.kind).map((i) => calls.kinds[i]);
    this.calls = {
      start, end, connection: unrun(calls.connection), result: unrun(calls.result), time: unrun(calls.time),
      name: kind.map((each) => each[0]), pattern: kind.map((each) => each[1]), line: kind.map((each) => each[2]),
      thread: kind.map((each) => each[3]),
    };
    this.threads = data.threads.map((thread) => ({
      state: unrun(thread.state).map((i) => STATES[i]), since: unstep(thread.since, tick), own: [], starts: [],
    }));
    this.calls.thread.forEach((thread, i) => { this.threads[thread].own.push(i); this.threads[thread].starts.push(start[i]); });
    this.requests = portions(data.requests, tick);
    this.replies = portions(data.replies, tick);
    this.backlog = tokens(data.backlog, tick);
    this.boxes = data.boxes.map((box) => ({ ...box, tokens: tokens(box.tokens, tick) }));
    this.ends = Float64Array.from(end).sort();
    this.order = [...this.calls.end.keys()].sort((a, b) => this.calls.end[a] - this.calls.end[b]);
  }

  get length() { return this.calls.start.length; }

  sentence(i) {
    const { pattern, connection, result, time } = this.calls;
    const value = typeof result[i] === "number" ? result[i].toLocaleString("en") : result[i];
    return pattern[i].replaceAll("{c}", connection[i]).replaceAll("{r}", value).replaceAll("{t}", shortTime(time[i]));
  }

  state(thread, t) {
    const { state, since } = this.threads[thread];
    const place = count(since, t) - 1;
    return place < 0 || place >= state.length ? "away" : state[place];
  }

  // How a moment inside a call looks: as its thread's state, and apart where it copies, or works in vain.
  look(i, t) {
    const { thread, name, result, end } = this.calls, { since } = this.threads[thread[i]], state = this.state(thread[i], t);
    if (state !== "running") return state;
    if (typeof result[i] === "string") return "vain";
    // The last stretch of a `recv`: from its wake-up, if it slept, to its end.
    return name[i] === "recv" && result[i] > 0 && since[count(since, t)] >= end[i] ? "copying" : "running";
  }

  // The last call of a thread that had begun, and whether the thread is still in it.
  call(thread, t) {
    const { own, starts } = this.threads[thread];
    const place = count(starts, t) - 1;
    if (place < 0) return [-1, false];
    return [own[place], this.calls.end[own[place]] >= t]; // the end is still inside: there a step stops
  }

  // The thread to look at: the one that runs, or else that was the last to begin or end a call.
  foremost(t) {
    if (this.threads.length === 1) return 0;
    let best = 0, latest = -Infinity;
    for (let thread = 0; thread < this.threads.length; thread++) {
      const [i, inside] = this.call(thread, t);
      if (i < 0) continue;
      const at = (inside ? this.calls.start[i] : this.calls.end[i]) + (this.state(thread, t) === "running" ? 1e15 : 0);
      if (at > latest) { latest = at; best = thread; }
    }
    return best;
  }

  moments() {
    const all = [this.calls.start, this.calls.end, this.requests.sent, this.requests.arrived, this.requests.taken,
      this.replies.sent, this.replies.arrived, ...this.threads.map((thread) => thread.since)];
    return all.flatMap((times) => [...times]);
  }
}

// The times of each row: where it starts, and where each of its parts ends.
const spans = ({ start, lengths }, tick) => {
  const times = [unstep(start, tick)];
  for (const column of lengths.map(unrun)) times.push(times.at(-1).map((at, i) => at + column[i] * tick));
  return times;
};
// Bytes in one direction, all in the order in which they were sent, and those of each connection by themselves.
const portions = (data, tick) => {
  const connection = unrun(data.connection), size = unrun(data.size), [sent, arrived, taken] = spans(data, tick);
  const of = new Map();
  connection.forEach((number, i) => {
    if (!of.has(number)) of.set(number, { sent: [], arrived: [], taken: [], upto: [0], size: [] });
    const own = of.get(number);
    own.sent.push(sent[i]); own.arrived.push(arrived[i]); own.taken.push(taken[i]); own.size.push(size[i]);
    own.upto.push(own.upto.at(-1) + size[i]);
  });
  for (const own of of.values()) for (const times of [own.arrived, own.taken]) times.sort((a, b) => a - b);
  return { connection, size, sent, arrived, taken, of };
};
const NONE = { sent: [], arrived: [], taken: [], upto: [0], size: [] };
const tokens = (data, tick) => {
  const [since, until] = spans(data, tick);
  return { connection: unrun(data.connection), since, until };
};

// The viewer's clock for a run's: at each moment of the run, after how many seconds it is shown.
class Pace {
  constructor(runs, start, end) {
    const every = [start, end, ...runs.flatMap((run) => run.moments())].filter((at) => at >= start && at <= end);
    every.sort((a, b) => a - b);
    this.at = every.filter((at, i) => i === 0 || at - every[i - 1] > SAME_NS || i === every.length - 1);
    const flights = runs.flatMap((run) => [run.requests, run.replies]).flatMap((each) =>
      [...each.sent].map((at, i) => [at, each.arrived[i]]));
    flights.sort((a, b) => a[0] - b[0]);
    this.shown = [0];
    let next = 0, airborne = -Infinity;
    for (let i = 1; i < this.at.length; i++) {
      while (next < flights.length && flights[next][0] < this.at[i] - SAME_NS) airborne = Math.max(airborne, flights[next++][1]);
      const least = airborne > this.at[i - 1] ? FLIGHT_S : SHORTEST_S;
      const seconds = ((this.at[i] - this.at[i - 1]) / 1e9) * SLOW;
      this.shown.push(this.shown[i - 1] + Math.min(LONGEST_S, Math.max(least, seconds)));
    }
  }

  // Where the run is after so many more seconds.
  after(t, seconds, slow) {
    if (slow) return t + (seconds * 1e9) / slow;
    const last = this.at.length - 1;
    let i = Math.min(Math.max(count(this.at, t) - 1, 0), Math.max(last - 1, 0));
    const share = (t - this.at[i]) / (this.at[i + 1] - this.at[i] || 1);
    const goal = this.shown[i] + share * (this.shown[i + 1] - this.shown[i]) + seconds;
    while (i < last - 1 && this.shown[i + 1] <= goal) i++;
    return this.at[i] + ((goal - this.shown[i]) / (this.shown[i + 1] - this.shown[i] || 1)) * (this.at[i + 1] - this.at[i]);
  }
}

class Lane {
  constructor(parent, kernel) {
    this.root = make(parent, "div", "lane");
    this.client = make(this.root, "div", "client");
    this.name = make(this.client, "span", "name");
    this.count = make(this.client, "span", "small");
    this.wire = make(this.root, "div", "wire");
    this.request = make(this.wire, "span", "packet request");
    this.reply = make(this.wire, "span", "packet reply");
    this.socket = make(this.root, "div", "socket");
    const buffer = (label) => {
      const row = make(this.socket, "div", "buffer");
      make(row, "span", "small", label);
      const bar = make(row, "span", "bar");
      return { fill: make(bar, "span", "fill"), text: make(bar, "span", "bytes") };
    };
    this.receive = buffer("receive");
    this.send = buffer("send");
    this.door = make(this.root, "div", "door");
    this.call = make(this.door, "span", "call");
    this.copy = make(this.door, "span", "packet copy");
  }
}

class StageView {
  constructor(parent, run) {
    this.run = run;
    this.root = make(parent, "section", "stage", "", { "aria-label": `replay of ${run.model}` });
    const scene = make(this.root, "div", "scene", "", { "aria-hidden": "true" });
    const heads = make(scene, "div", "lane heads");
    for (const [name, text] of [["client", "Clients"], ["wire", "network"], ["socket", "Kernel"], ["door", "system calls"]]) {
      make(heads, "div", name, text);
    }
    this.listening = make(scene, "div", "lane listening");
    make(this.listening, "div", "client");
    make(this.listening, "div", "wire");
    const socket = make(this.listening, "div", "socket");
    make(socket, "span", "small", "listening socket, backlog");
    this.backlog = this.chips(socket);
    this.door = make(make(this.listening, "div", "door"), "span", "call");
    this.lanes = Array.from({ length: Math.min(run.connections, LANES) }, () => new Lane(scene));
    if (run.connections > LANES) {
      const rest = make(scene, "div", "lane");
      this.rest = make(rest, "div", "more small", `${(run.connections - LANES).toLocaleString("en")} more connections are not drawn; follow one to see it`);
    }
    const waits = make(scene, "div", "lane waits");
    make(waits, "div", "client"); make(waits, "div", "wire");
    const boxes = make(waits, "div", "socket boxes");
    this.boxes = run.boxes.map((box) => {
      const root = make(boxes, "div", "box", "", { title: box.says });
      make(root, "span", "small title", box.name);
      return { ...box, chips: this.chips(root) };
    });
    if (!run.boxes.length) make(boxes, "div", "small", this.withoutBoxes());
    this.wait = make(make(waits, "div", "door"), "span", "call");
    this.server();
    this.lanes.forEach((lane, i) => write(lane.name, `client ${i}`));
    this.numbers = this.lanes.map((_, i) => i);
    this.most = [run.requests, run.replies].map((each) => Math.max(1, ...each.size));
  }

  withoutBoxes() {
    if (this.run.hidden) return `The loop of ${this.run.model} has sockets of its own: what it calls is not recorded.`;
    if (this.run.calls.result.includes("EAGAIN")) return "Nobody waits: the thread asks every socket, again and again.";
    return this.run.waits.includes("inside") ? `Waits in ${this.run.waits} It is not recorded.`
      : "A thread that waits sleeps in the queue of the socket it asked.";
  }

  server() {
    const server = make(this.root, "div", "server");
    const head = make(server, "div", "head");
    make(head, "span", "title", `Server: ${this.run.model}`);
    this.badges = this.run.threads.slice(0, 8).map((_, i) => make(head, "span", "badge", "", { title: `thread ${i + 1}` }));
    this.source = make(server, "pre", "source", "", { "aria-label": `source of ${this.run.model}`, tabindex: "0" });
    this.lines = this.run.source.map((line) => make(this.source, "span", "line", line || " "));
    if (!this.lines.length) make(this.source, "span", "line", "The text of this server is not known.");
  }

  chips(parent) {
    const row = make(parent, "span", "chips");
    return { all: Array.from({ length: CHIPS }, () => make(row, "span", "chip")), more: make(row, "span", "small") };
  }

  follow(connection) {
    const { lanes } = this;
    this.numbers = lanes.map((_, i) => i);
    if (connection >= lanes.length) this.numbers[lanes.length - 1] = connection;
    this.followed = connection;
    lanes.forEach((lane, i) => {
      write(lane.name, `client ${this.numbers[i]}`);
      lane.root.classList.toggle("dim", connection >= 0 && this.numbers[i] !== connection);
    });
  }

  show(t) {
    const { run } = this;
    this.showBytes(t);
    const thread = run.foremost(t);
    for (const lane of this.lanes) lane.asked = false;
    this.listening.asked = this.waiting = false;
    const asleep = this.lanes.map(() => 0);
    for (let each = 0; each < run.threads.length; each++) {
      const [i, inside] = run.call(each, t);
      if (inside) this.showCall(i, run.state(each, t), t, asleep);
    }
    this.lanes.forEach((lane, i) => {
      if (!lane.asked) { dress(lane.call, "call"); write(lane.call, ""); style(lane.copy, "opacity", "0"); }
      dress(lane.socket, asleep[i] ? "socket asleep" : "socket");
    });
    if (!this.listening.asked) { dress(this.door, "call"); write(this.door, ""); }
    if (!this.waiting) { dress(this.wait, "call"); write(this.wait, ""); }
    this.fillChips(this.backlog, run.backlog, t);
    for (const box of this.boxes) this.fillChips(box.chips, box.tokens, t, box.queue);
    this.showServer(t, thread);
  }

  showBytes(t) {
    const { requests, replies, sizes } = this.run;
    this.lanes.forEach((lane, number) => {
      const came = requests.of.get(this.numbers[number]) ?? NONE, went = replies.of.get(this.numbers[number]) ?? NONE;
      const sent = count(came.sent, t), arrived = count(came.arrived, t), taken = count(came.taken, t);
      const given = count(went.sent, t), answered = count(went.arrived, t);
      this.bar(lane.receive, came.upto[arrived] - came.upto[taken], this.most[0]);
      this.bar(lane.send, went.upto[given] - went.upto[answered], this.most[1]);
      this.fly(lane.request, came, sent, arrived, t, 1);
      this.fly(lane.reply, went, given, answered, t, -1);
      const replied = Math.floor(went.upto[answered] / sizes[1]);
      dress(lane.client, came.upto[sent] / sizes[0] > replied ? "client waits" : "client");
      write(lane.count, replied === 1 ? "1 reply" : `${replied.toLocaleString("en")} replies`);
    });
  }

  // The bytes that were sent last, while they have not arrived.
  fly(packet, way, sent, arrived, t, direction) {
    style(packet, "opacity", sent > arrived ? "1" : "0");
    if (sent <= arrived) return;
    const share = (t - way.sent[arrived]) / (way.arrived[arrived] - way.sent[arrived] || 1);
    write(packet, bytes(way.size[arrived]));
    place(packet, direction > 0 ? share : 1 - share);
  }

  bar(buffer, size, most) {
    style(buffer.fill, "width", `${size ? Math.max(8, Math.min(100, (100 * size) / most)) : 0}%`);
    write(buffer.text, size ? bytes(size) : "");
  }

  showCall(i, state, t, asleep) {
    const { calls } = this.run;
    const connection = calls.connection[i], name = calls.name[i];
    const worn = `call ${this.run.look(i, t)}`;
    const text = state === "asleep" ? `${name}\nasleep` : name;
    if (name === "accept") {
      this.listening.asked = true;
      dress(this.door, worn); write(this.door, text);
    } else if (connection >= 0) {
      const number = this.numbers.indexOf(connection);
      if (number < 0) return;
      const lane = this.lanes[number];
      lane.asked = true;
      if (state === "asleep") asleep[number] = 1;
      dress(lane.call, worn);
      write(lane.call, text);
      const moves = calls.result[i] > 0 && ["recv", "send", "sendall"].includes(name) && state === "running";
      style(lane.copy, "opacity", moves ? "1" : "0");
      if (moves) {
        write(lane.copy, bytes(calls.result[i]));
        const share = (t - calls.start[i]) / (calls.end[i] - calls.start[i]);
        place(lane.copy, name === "recv" ? share : 1 - share);
      }
    } else {
      this.waiting = true;
      dress(this.wait, worn); write(this.wait, text);
    }
  }

  fillChips(chips, { connection, since, until }, t, queue = true) {
    const inside = [];
    for (let i = count(since, t) - 1; i >= 0; i--) if (t < until[i] || (!queue && t === until[i])) inside.push(connection[i]);
    inside.reverse();
    if (!queue) inside.sort((a, b) => a - b);
    chips.all.forEach((chip, i) => {
      const who = inside[i];
      dress(chip, who === undefined ? "chip" : `chip on${who === this.followed ? " followed" : ""}`);
      write(chip, who === undefined ? "" : who === -1 ? "L" : who === -2 ? "•" : String(who));
    });
    write(chips.more, inside.length > CHIPS ? `+${inside.length - CHIPS}` : "");
  }

  showServer(t, thread) {
    const { run } = this;
    this.badges.forEach((badge, i) => {
      const state = run.state(i, t);
      dress(badge, `badge ${state}${i === thread && this.badges.length > 1 ? " foremost" : ""}`);
      write(badge, this.badges.length > 3 ? `${i + 1}` : `${this.badges.length > 1 ? `${i + 1} ` : ""}${WORDS[state]}`);
    });
    const [i, inside] = run.call(thread, t);
    const state = run.state(thread, t);
    const replying = !inside && i >= 0 && ["recv", "received"].includes(run.calls.name[i]) && run.calls.result[i] > 0;
    const number = i < 0 ? 0 : replying ? run.reply || run.calls.line[i] : run.calls.line[i];
    const worn = `line lit ${inside ? run.look(i, t) : replying ? state : "between"}`;
    if (this.lit === number && this.worn === worn) return;
    if (this.lines[this.lit - 1] && this.lit !== number) dress(this.lines[this.lit - 1], "line");
    this.lit = number; this.worn = worn;
    const line = this.lines[number - 1];
    if (!line) return;
    dress(line, worn);
    this.scroll(number);
  }

  // Keep the lit line near the middle. To ask for a height costs a layout, so it is asked for once in a size.
  scroll(number) {
    this.height ??= this.source.clientHeight;
    this.step ??= this.lines[0].offsetHeight;
    const top = Math.max(0, (number - 0.5) * this.step - this.height / 2);
    if (Math.abs((this.top ?? 0) - top) > this.height / 3) this.source.scrollTop = this.top = top;
  }

  now(t) {
    const { run } = this;
    const thread = run.foremost(t), [i, inside] = run.call(thread, t), state = run.state(thread, t);
    const who = run.threads.length > 1 ? `thread ${thread + 1}` : "the thread";
    if (i < 0 || state === "away") return `${who} is not at work.`;
    if (!inside) return state === "running" ? `${who} runs Python.` : `${who} is ${WORDS[state]}.`;
    const where = run.calls.connection[i] >= 0 && run.calls.name[i] !== "accept" ? ` on connection ${run.calls.connection[i]}` : "";
    return state === "running" ? `${who} is in \`${run.calls.name[i]}\`${where}.` : `${who} is ${WORDS[state]} in \`${run.calls.name[i]}\`${where}.`;
  }
}

class Player {
  constructor(root, data) {
    this.root = root;
    this.runs = data.stages.map((stage) => new Run(stage));
    this.start = Math.min(...this.runs.map((run) => run.start));
    this.end = Math.max(...this.runs.map((run) => run.end));
    this.pace = new Pace(this.runs, this.start, this.end);
    this.t = this.start;
    this.followed = -1;
    this.slow = 0;
    this.frames = [];
    root.replaceChildren();
    root.classList.add("iolab-replay");
    root.setAttribute("role", "group");
    root.setAttribute("tabindex", "0");
    root.setAttribute("aria-label", `Replay of ${this.runs.map((run) => run.model).join(" and ")}`);
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    const stages = make(root, "div", `stages${this.runs.length > 1 ? " two" : ""}`);
    this.views = this.runs.map((run) => new StageView(stages, run));
    const says = make(root, "div", "says");
    this.last = make(says, "p", "last", "", { role: "status", "aria-live": "polite" });
    this.now = this.runs.map(() => make(says, "p", "now", "", { "aria-hidden": "true" }));
    this.strip = make(root, "canvas", "strip", "", { "aria-hidden": "true" });
    this.controls();
    this.legend();
    this.table();
    this.keys = (event) => this.key(event);
    root.addEventListener("keydown", this.keys);
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(this.strip);
    this.show();
    if (document.fonts) document.fonts.ready.then(() => this.show());
  }

  controls() {
    const bar = make(this.root, "div", "controls");
    const button = (text, label, action) => {
      const element = make(bar, "button", "", text, { type: "button", "aria-label": label, title: label });
      element.addEventListener("click", action);
      return element;
    };
    button("|◂", "Back to the start (Home)", () => this.seek(this.start));
    button("◂ call", "Previous call (left arrow)", () => this.step(-1));
    this.button = button("▶ Play", "Play (space)", () => this.toggle());
    button("call ▸", "Next call (right arrow)", () => this.step(1));
    this.range = make(bar, "input", "range", "", { type: "range", min: 0, max: 10000, step: 1, "aria-label": "Moment of the run" });
    this.range.addEventListener("input", () => this.seek(this.start + (this.range.value / 10000) * (this.end - this.start)));
    this.clock = make(bar, "span", "clock");
    const choice = (label, options, action) => {
      const row = make(bar, "label", "choice", `${label} `);
      const select = make(row, "select");
      for (const [value, text] of options) make(select, "option", "", text, { value });
      select.addEventListener("change", () => action(Number(select.value)));
      return select;
    };
    this.speed = choice("speed", SPEEDS, (slow) => { this.slow = slow; this.show(); });
    const connections = Math.max(...this.runs.map((run) => run.connections));
    const numbers = Array.from({ length: Math.min(connections, 1000) }, (_, i) => [String(i), `client ${i}`]);
    if (connections > 1) this.choice = choice("follow", [["-1", "all clients"], ...numbers], (number) => this.follow(number));
  }

  legend() {
    const row = make(this.root, "p", "legend small");
    const seen = new Set(this.runs.flatMap((run) => run.threads.flatMap((thread) => thread.state)));
    if (this.runs.some((run) => run.calls.result.some((result) => typeof result === "string"))) seen.add("vain");
    if (this.runs.some((run) => run.calls.name.includes("recv"))) seen.add("copying");
    seen.add("between");
    for (const [state, text] of [["asleep", "asleep"], ["waking", "being woken"], ["copying", "copy"], ["running", "at work in a call"],
      ["vain", "a call in vain"], ["between", "Python at work"], ["lock", "waits for a lock"], ["preempted", "preempted"]]) {
      if (!seen.has(state)) continue;
      const key = make(row, "span", "key");
      make(key, "span", `swatch ${state}`);
      key.append(text);
    }
    make(row, "span", "key", "▲ bytes arrive");
    if (this.runs.some((run) => run.boxes.length)) make(row, "span", "key", "L: the listening socket");
    const inferred = make(row, "span", "key");
    make(inferred, "span", "swatch inferred");
    inferred.append("inferred: bytes in buffers, lists, queues and the lit line follow from the records; calls, sleeps and arrivals are records");
    if (this.runs.some((run) => run.cut)) make(row, "span", "key", `the last ${Math.max(...this.runs.map((run) => run.cut)).toLocaleString("en")} calls of the run are left out`);
  }

  table() {
    const details = make(this.root, "details", "table");
    make(details, "summary", "", "The calls as a table");
    const body = make(details, "div", "", "", { tabindex: "0", role: "region", "aria-label": "calls" });
    details.addEventListener("toggle", () => details.open ? this.rows(body) : body.replaceChildren());
  }

  rows(body) {
    body.replaceChildren();
    this.runs.forEach((run) => {
      const from = Math.max(0, Math.min(count(run.calls.start, this.t) - TABLE_ROWS / 2, run.length - TABLE_ROWS));
      const to = Math.min(run.length, from + TABLE_ROWS);
      const table = make(body, "table");
      make(table, "caption", "", `${run.model}: calls ${(from + 1).toLocaleString("en")} to ${to.toLocaleString("en")} of ${run.length.toLocaleString("en")}, those around the moment`);
      const head = make(make(table, "thead"), "tr");
      for (const text of ["begins at", "takes", "what happens"]) make(head, "th", "", text, { scope: "col" });
      const rows = make(table, "tbody");
      for (let i = from; i < to; i++) {
        const row = make(rows, "tr");
        make(row, "td", "", shortTime(run.calls.start[i]));
        make(row, "td", "", shortTime(run.calls.end[i] - run.calls.start[i]));
        say(make(row, "td"), run.sentence(i));
      }
    });
  }

  follow(number) {
    this.followed = number;
    if (this.choice) this.choice.value = String(number);
    for (const view of this.views) view.follow(number);
    this.show();
  }

  key(event) {
    const tag = event.target.tagName;
    const actions = { ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1), Home: () => this.seek(this.start),
      End: () => this.seek(this.end), " ": () => this.toggle() };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || tag === "SELECT") return;
    if (event.key === " " && (tag === "BUTTON" || tag === "SUMMARY")) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  play() {
    if (this.t >= this.end) this.t = this.start;
    this.playing = true;
    this.frames = [];
    this.last.setAttribute("aria-live", "off");
    this.button.textContent = "❚❚ Pause";
    this.button.setAttribute("aria-label", "Pause (space)");
    let before, waited = 0;
    const still = matchMedia(STILL);
    const tick = (at) => {
      if (!this.playing) return;
      before ??= at; // nothing stood before the first one
      if (at > before) this.frames.push(at - before);
      if (this.frames.length > 5000) this.frames.shift();
      // A frame that comes late, or out of sight, does not skip what was to be seen.
      const seconds = Math.min(0.1, (at - before) / 1000);
      before = at;
      if (still.matches) { // nothing glides: a call, a pause, the next call
        waited += seconds;
        if (waited >= STILL_S) { waited = 0; this.t = this.next(1); }
      } else this.t = this.pace.after(this.t, seconds, this.slow);
      if (this.t >= this.end) { this.t = this.end; this.pause(); }
      this.show();
      if (this.playing) this.frame = requestAnimationFrame(tick);
    };
    this.frame = requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.button.textContent = "▶ Play";
    this.button.setAttribute("aria-label", "Play (space)");
    this.last.setAttribute("aria-live", "polite");
    this.show();
  }

  seek(t) {
    this.t = Math.min(this.end, Math.max(this.start, t));
    if (this.playing) this.pause();
    this.show();
  }

  step(direction) { this.seek(this.next(direction)); }

  // The end of the next call, or of the one before; of the client that is followed, if one is.
  next(direction) {
    const wanted = (run, i) => this.followed < 0 || run.calls.connection[i] === this.followed;
    let goal = direction > 0 ? this.end : this.start;
    for (const run of this.runs) {
      let place = direction > 0 ? count(run.ends, this.t) : count(run.ends, this.t - 1e-3) - 1;
      if (direction < 0) while (place >= 0 && run.ends[place] >= this.t) place--;
      while (place >= 0 && place < run.length && !wanted(run, run.order[place])) place += direction;
      if (place < 0 || place >= run.length) continue;
      goal = direction > 0 ? Math.min(goal, run.ends[place]) : Math.max(goal, run.ends[place]);
    }
    return goal;
  }

  get sentence() {
    let best = "", latest = -Infinity;
    for (const run of this.runs) {
      const place = count(run.ends, this.t) - 1;
      if (place >= 0 && run.ends[place] > latest) {
        latest = run.ends[place];
        best = (this.runs.length > 1 ? `${run.model}: ` : "") + run.sentence(run.order[place]);
      }
    }
    return best || "The run begins: clients connect, and the server waits.";
  }

  show() {
    for (const view of this.views) view.show(this.t);
    this.views.forEach((view, i) => {
      const now = view.now(this.t);
      say(this.now[i], (this.runs.length > 1 ? `${view.run.model}: ` : "") + now[0].toUpperCase() + now.slice(1));
    });
    say(this.last, this.sentence);
    write(this.clock, shortTime(this.t));
    const value = String(Math.round(((this.t - this.start) / (this.end - this.start)) * 10000));
    if (this.range.value !== value) this.range.value = value;
    const text = `${shortTime(this.t)} since the load began`;
    if (!this.playing) this.range.setAttribute("aria-valuetext", text);
    this.draw();
  }

  resize() {
    const scale = window.devicePixelRatio || 1;
    this.strip.height = Math.round((14 + 32 * this.runs.length) * scale);
    this.strip.style.height = `${14 + 32 * this.runs.length}px`;
    this.strip.width = Math.round(this.strip.clientWidth * scale);
    this.scale = scale;
    for (const view of this.views) view.height = view.step = undefined;
    this.draw();
  }

  colours() {
    const styles = getComputedStyle(this.root);
    const names = ["sky", "yellow", "green", "purple", "grey", "pale", "ink", "quiet", "vermilion"];
    return Object.fromEntries(names.map((name) => [name, styles.getPropertyValue(`--${name}`).trim()]).concat([["text", styles.color]]));
  }

  widthOf(pen, text) {
    this.widths ??= {};
    return (this.widths[text] ??= pen.measureText(text).width);
  }

  // A stretch of the run around the moment: what the foremost thread does, and the names of its calls.
  draw() {
    if (!this.scale) return;
    const pen = this.strip.getContext("2d"), width = this.strip.width / this.scale;
    if (!this.inks || !this.playing) this.inks = this.colours();
    const inks = this.inks;
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(0, 0, width, this.strip.height);
    const calls = Math.max(...this.runs.map((run) => run.length));
    const call = (this.end - this.start) / calls;
    const span = this.slow ? Math.min(4e9 / this.slow, 100 * call) : Math.min(2e6, Math.max(1e5, 16 * call));
    const from = this.t - span / 2;
    const x = (at) => Math.max(0, Math.min(width, ((at - from) / span) * width));
    const fills = { running: inks.green, asleep: inks.sky, waking: inks.yellow, preempted: inks.pale, lock: inks.ink };
    const looks = { running: inks.green, copying: inks.vermilion, vain: inks.purple };
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "top";
    this.runs.forEach((run, row) => {
      const thread = run.foremost(this.t), { state, since, own, starts } = run.threads[thread], top = row * 32 + 14;
      for (let i = Math.max(0, count(since, from) - 1); i < state.length && since[i] < from + span; i++) {
        pen.fillStyle = state[i] === "running" ? inks.grey : fills[state[i]] || "transparent";
        const left = x(since[i]), right = x(since[i + 1]);
        if (state[i] === "running") pen.fillRect(left, top + 4, Math.max(0.5, right - left), 4);
        else pen.fillRect(left, top, Math.max(0.5, right - left), 12);
      }
      let edge = 0;
      for (let k = Math.max(0, count(starts, from) - 2); k < own.length && starts[k] < from + span; k++) {
        const i = own[k], left = x(run.calls.start[i]), right = x(run.calls.end[i]);
        const first = Math.max(0, count(since, run.calls.start[i]) - 1);
        for (let j = first; j < state.length && since[j] < run.calls.end[i]; j++) {
          if (state[j] !== "running") continue;
          pen.fillStyle = looks[run.look(i, Math.max(since[j], run.calls.start[i]))];
          const l = Math.max(left, x(since[j])), r = Math.min(right, x(since[j + 1]));
          pen.fillRect(l, top, Math.max(0.7, r - l), 12);
        }
        const text = run.calls.name[i], room = this.widthOf(pen, text) + 6;
        if (left >= edge && left + room < width && right > 0) {
          pen.fillStyle = inks.text;
          pen.fillText(text, Math.max(left, 0), top - 13);
          edge = Math.max(left, 0) + room;
        }
      }
      pen.fillStyle = inks.vermilion;
      const { sent, arrived } = run.requests;
      for (let i = Math.max(0, count(sent, from) - 1); i < sent.length && sent[i] < from + span; i++) {
        if (arrived[i] < from || arrived[i] > from + span) continue;
        const at = x(arrived[i]);
        pen.beginPath(); pen.moveTo(at - 3.5, top + 18); pen.lineTo(at + 3.5, top + 18); pen.lineTo(at, top + 12); pen.fill();
      }
    });
    pen.fillStyle = inks.text;
    pen.fillRect(width / 2 - 0.75, 0, 1.5, this.strip.height);
  }

  destroy() {
    this.playing = false;
    cancelAnimationFrame(this.frame);
    this.watch.disconnect();
    this.root.removeEventListener("keydown", this.keys);
  }
}

export const mount = (root, data) => (root.player = new Player(root, data));

export default {
  render({ model, el }) {
    const player = mount(make(el, "div"), model.get("data"));
    return () => player.destroy();
  },
};
