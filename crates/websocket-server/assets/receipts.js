// The page of receipts: a line for each message of a plain socket, newest on top, and a back end that publishes some. A bare client:
// it says nothing, and what comes while it is away it does not get.

import { mountBench } from "./bench-form.js";
import { setFault } from "./form-fault.js";
import { count, counted } from "./format.js";
import { HeldList } from "./held-list.js";
import { listen } from "./plain-client.js";
import { manyReceipts, receiptLine, receiptPublication, STATUSES } from "./receipt-lines.js";
import { byId, connectionLine, element, icon, mountPage, time } from "./world-page.js";

const MANY = 100;
const MARK_ICONS = { queued: "down", working: "working", done: "check", failed: "cross", other: "dot" };
const ADDRESS = new URL("/ws/receipts", location.href.replace(/^http/, "ws")).href;

mountPage();

// The client

const list = new HeldList({ list: byId("receipts"), pill: byId("pill") });
let received = 0;
let drawn = true;

function print(text) {
  const { line, mark, type, at } = receiptLine(text, Date.now());
  const row = element("li", { className: "receipt", title: type, dataset: { mark } }, icon(MARK_ICONS[mark]),
    element("span", { className: "receipt-line" }, line), time(at));
  received += 1;
  byId("empty").hidden = true;
  byId("receipts").hidden = false;
  byId("clear").hidden = false;
  list.add(row);
  if (!drawn) return;
  drawn = false;
  requestAnimationFrame(() => {
    drawn = true;
    byId("counts").textContent = `${counted(received, "message")} since the page was loaded`;
  });
}

const showConnection = connectionLine({ state: byId("state"), title: byId("state-title"), tryNow: byId("try-now") }, () => socket.tryNow());
const socket = listen({
  url: ADDRESS, onText: print,
  onState: ({ name, retryAt, since, why }) => showConnection(name, { retryAt, since, detail: why ?? "" }),
});
byId("address").textContent = ADDRESS;
byId("clear").addEventListener("click", () => {
  list.clear();
  byId("receipts").hidden = true;
  byId("clear").hidden = true;
  byId("empty").hidden = false;
  byId("stage-title").focus();
});

// The back end

let status = STATUSES[0];

function publication() {
  const id = byId("id").value.trim();
  return id === "" ? null : receiptPublication(status === "received" ? "receipt_upload" : "receipt_update", id, status);
}

const bench = mountBench({ publication, nobody: () => "no page of receipts is connected" });

byId("statuses").replaceChildren(...STATUSES.map((value) => {
  const input = element("input", { type: "radio", name: "status", value, checked: value === status });
  input.addEventListener("change", () => {
    status = value;
    bench.draw();
  });
  return element("label", {}, input, element("span", {}, value));
}));
byId("id").addEventListener("input", () => {
  setFault(byId("id"), null);
  bench.draw();
});

function send() {
  const chosen = publication();
  setFault(byId("id"), chosen === null ? "Type the id of a receipt, such as abc123." : null);
  if (chosen === null) byId("id").focus();
  else bench.send(chosen);
}

byId("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
byId("first").addEventListener("click", send);
byId("hundred").addEventListener("click", () => bench.sendAll(manyReceipts(MANY, `r${count(received).replaceAll(",", "")}-`)));
bench.draw();
