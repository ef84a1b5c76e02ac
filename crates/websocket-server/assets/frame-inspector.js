// The pane that shows one chosen frame: its facts, its JSON exactly as it came, and copies of it. What others sent is only
// ever set as text.

import { copyFrom } from "./clipboard.js";
import { bytes, exactTime } from "./format.js";
import { describeLatency, describeTarget } from "./frame-list.js";
import { indented, pretty, rawMembers } from "./json-text.js";
import { buildRequest, curlCommand } from "./publish.js";

const COLOUR_LIMIT = 64 * 1024;
const SHOWN_LIMIT = 512 * 1024;

/** `page` gives `base()` and `apiKey()` for the curl command; `announce(text)` speaks. */
export function mountInspector({ root, body, page, announce, onClose }) {
  const part = (id) => root.querySelector(`#${id}`);
  let shown = null;

  part("inspect-close").addEventListener("click", onClose);
  root.addEventListener("keydown", (event) => { if (event.key === "Escape") onClose(); });
  part("copy-json").addEventListener("click", (event) => copyFrom(event.currentTarget, prettyOrRaw(shown.text), announce));
  part("copy-curl").addEventListener("click", (event) => {
    const { command, note } = asCurl(shown, page);
    say(note);
    copyFrom(event.currentTarget, command, announce);
  });

  function say(note) {
    part("inspect-note").textContent = note ?? "";
    part("inspect-note").hidden = !note;
  }

  return function show(record) {
    shown = record;
    root.hidden = record === null;
    body.toggleAttribute("data-inspecting", record !== null);
    if (record === null) return;
    part("inspect-type").textContent = record.type;
    part("inspect-facts").replaceChildren(...facts(record));
    part("copy-curl").hidden = record.protocol;
    say(record.text.length > SHOWN_LIMIT ? `Only the first ${bytes(SHOWN_LIMIT)} are shown. Copy JSON copies all of it.` : null);
    drawJson(part("inspect-json"), record.text);
  };
}

function facts(record) {
  const rows = [["Arrived", exactTime(record.at)]];
  if (!record.protocol) {
    const target = describeTarget(record);
    const latency = describeLatency(record);
    rows.push(["Channel", target.known ? target.text : "Not known; plain frames do not name it"]);
    if (latency.text) rows.push(["Latency", `${latency.text}  ${latency.exact ? "from publish to arrival" : "by two clocks"}`]);
  }
  rows.push(["Size", bytes(record.size)]);
  return rows.map(([name, value]) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const fact = document.createElement("dd");
    term.textContent = name;
    fact.textContent = value;
    row.append(term, fact);
    return row;
  });
}

function drawJson(box, text) {
  box.scrollTop = 0;
  if (text.length <= COLOUR_LIMIT) {
    try {
      box.replaceChildren(...indented(text).map(({ kind, text: piece }) => {
        const span = document.createElement("span");
        span.className = kind;
        span.textContent = piece;
        return span;
      }));
      return;
    } catch {
      // Not JSON: shown as it came.
    }
  }
  box.textContent = prettyOrRaw(text).slice(0, SHOWN_LIMIT);
}

function prettyOrRaw(text) {
  try {
    return pretty(text);
  } catch {
    return text;
  }
}

/** The `POST /broadcast` that makes this event again, without the API key itself: such a line is made to be passed on. */
function asCurl(record, page) {
  const members = rawMembers(record.text);
  const request = buildRequest({
    base: page.base(), type: record.type, target: record.target ?? { kind: "everyone" },
    dataText: members.get("data") ?? "{}", apiKey: page.apiKey(),
  });
  const notes = [];
  if (record.target === null) notes.push("The channel of this frame is not known, so the command publishes to everyone.");
  if (page.apiKey()) notes.push("It takes the key from $FANFARE_API_KEY; set it first.");
  return { command: curlCommand(request, { secret: "$FANFARE_API_KEY" }), note: notes.join(" ") };
}
