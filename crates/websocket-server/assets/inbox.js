// The page of the inbox: /js/fanfare-bell.js as it is, whose bell and preferences share one inbox that the page makes with this tab's
// token, so that two tabs may be two users. Events come over /js/websocket.js. What is sent is inbox-send.js's, who is signed in session.js's.

import { copyFrom } from "./clipboard.js";
import { exactTime, timeOfDay } from "./format.js";
import { draftOf, KINDS, MOST_AT_ONCE, notificationRequest, sendNotification, sentWords } from "./inbox-send.js";
import { curlCommand } from "./publish.js";
import { Session } from "./session.js";
import { showSignIn } from "./sign-in.js";
import { announce, askServer, BASE, byId, connectionLine, element, kept, mountPage, scriptsAreThere } from "./world-page.js";

const session = new Session({ kept });
let ws = null;
let server = null;
let kind = KINDS[0].key;
let sent = 0;

mountPage();

const showConnection = connectionLine({ state: byId("state"), title: byId("state-title"), tryNow: byId("try-now") }, () => ws?.connect());

// The connection

function connect() {
  if (typeof globalThis.WebSocketClient !== "function" || !globalThis.FanfareInbox) return;
  const { createInbox, liveFromSocketIo } = globalThis.FanfareInbox;
  const mine = new globalThis.WebSocketClient({ token: () => session.freshToken() });
  ws = mine;
  showConnection("connecting");
  ws.on("notifications", "connect", () => {
    showConnection("live", { detail: "Events arrive as they happen." });
    drawSession();
  });
  ws.on("notifications", "disconnect", () => {
    if (mine === ws) showConnection("offline", { since: Date.now(), detail: "The connection was lost. It comes back by itself." });
  });
  ws.on("notifications", "connect_error", (error) => {
    if (mine === ws && error.message === "Unauthorized") refused(mine);
  });
  const inbox = createInbox({ baseUrl: BASE, getToken: () => session.freshToken(), live: liveFromSocketIo(ws) });
  byId("bell").inbox = inbox;
  byId("preferences").inbox = inbox;
  ws.connect();
}

/** The server says that the token is no good; whose fault that is the session knows. */
async function refused(mine) {
  const token = await session.freshToken();
  if (mine !== ws) return;
  if (token === null || session.isOver) leave("Your sign-in has ended. Sign in again; your notifications are still there.");
  else leave("The hub is there but refused this token: it was signed with another key, or it has ended. Sign in again.");
}

// Signing in

function drawSession() {
  const { current } = session;
  byId("signed-in").hidden = current === null;
  byId("bell").hidden = current === null;
  for (const id of ["send", "send-many", "copy-curl"]) byId(id).disabled = current === null;
  if (current === null) return;
  byId("who").textContent = current.name === `User ${current.userId}` ? current.name : `${current.name} (user ${current.userId})`;
  // Tokens of an account are renewed.
  byId("until").textContent = current.refresh ? "" : `until ${timeOfDay(current.expiresAt)}`;
  byId("until").title = exactTime(current.expiresAt);
}

function enter() {
  byId("sign-in").hidden = true;
  byId("room").hidden = false;
  connect();
  drawSession();
}

async function leave(why) {
  ws?.disconnect();
  ws = null;
  session.signOut();
  byId("bell").toggle?.(false);
  byId("result").textContent = "";
  showConnection("signed-out", { detail: why });
  drawSession();
  byId("room").hidden = true;
  server ??= await askServer();
  await showSignIn({
    root: byId("sign-in"), session, server, why, done: enter,
    heading: "Sign in to see your inbox",
    purpose: "Notifications are kept for a user, and told to nobody else. So this page is for signed-in users.",
  });
}

byId("sign-out").addEventListener("click", () => leave(""));
byId("open-bell").addEventListener("click", () => byId("bell").toggle(true));

// The back end

const draft = () => draftOf(kind, sent, { isShort: byId("short").checked });

function drawCurl() {
  const { url, headers, body } = notificationRequest(BASE, draft(), "");
  byId("curl").textContent = curlCommand({ url, headers, body }, { secret: "$TOKEN" });
}

function tell(answer, count) {
  byId("result").dataset.ok = answer.ok;
  byId("result").textContent = sentWords(answer, count);
}

async function send(count, button) {
  if (session.current === null || button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  let answer = null;
  let stored = 0;
  while (stored < count) {
    answer = await sendNotification(notificationRequest(BASE, draft(), await session.freshToken()));
    if (!answer.ok) break;
    stored += 1;
    sent += 1;
  }
  tell(answer, count);
  button.removeAttribute("aria-busy");
  drawCurl();
}

byId("kinds").replaceChildren(...KINDS.map(({ key, label }) => {
  const input = element("input", { type: "radio", name: "kind", value: key, checked: key === kind });
  input.addEventListener("change", () => {
    kind = key;
    drawCurl();
  });
  return element("label", {}, input, element("span", {}, label));
}));
byId("short").addEventListener("change", drawCurl);
byId("send-form").addEventListener("submit", (event) => {
  event.preventDefault();
  send(1, byId("send"));
});
byId("send-many").addEventListener("click", ({ currentTarget }) => send(MOST_AT_ONCE, currentTarget));
byId("copy-curl").addEventListener("click", ({ currentTarget }) => {
  const { url, headers, body } = notificationRequest(BASE, draft(), "");
  copyFrom(currentTarget, curlCommand({ url, headers, body }, { secret: "$TOKEN" }), announce);
});

// The beginning

function begin() {
  drawCurl();
  const there = scriptsAreThere([
    ["websocket.js", typeof globalThis.WebSocketClient === "function"],
    ["fanfare-bell.js", globalThis.FanfareInbox !== undefined],
  ]);
  if (!there) showConnection("offline", { detail: "A script of this page is missing." });
  if (session.current !== null && !session.isOver) return enter();
  return leave(session.isOver ? "Your sign-in has ended. Sign in again; your notifications are still there." : "");
}

begin();
