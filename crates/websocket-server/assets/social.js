// The page of a social application over Socket.IO: /js/websocket.js as it is, whose `window.ws` the page makes with this tab's token, so
// that two tabs may be two users. The bell is that of /js/fanfare-bell.js where there is an inbox. Posts, orders and the bell without are here, chat is social-chat-pane.js's, who is signed in session.js's.

import { mountBench } from "./bench-form.js";
import { setFault } from "./form-fault.js";
import { exactTime, timeOfDay } from "./format.js";
import { HeldList } from "./held-list.js";
import { hasInbox, notificationRequest, sendNotification, sentWords } from "./inbox-send.js";
import { Session } from "./session.js";
import { showSignIn } from "./sign-in.js";
import { Bell, line } from "./social-bell.js";
import { Chats, userOf } from "./social-chat.js";
import { mountChat } from "./social-chat-pane.js";
import { inWords, KINDS, publicationOf, SHOWN } from "./social-events.js";
import { Partner } from "./social-partner.js";
import { requestFor } from "./world-publish.js";
import { announce, askServer, BASE, byId, connectionLine, element, icon, kept, mountPage, scriptsAreThere, time } from "./world-page.js";

const MOST_HAPPENED = 50;
const PARTNER_PREFIX = "partner.";

const session = new Session({ kept });
const partnerSession = new Session({
  kept: { get: (key) => kept.get(PARTNER_PREFIX + key), set: (key, value) => kept.set(PARTNER_PREFIX + key, value) },
});
const list = new HeldList({ list: byId("happened"), pill: byId("pill"), most: MOST_HAPPENED });
let ws = null;
let bell = new Bell();
let chat = null;
let partner = null;
let server = null;
/** Whether a notification service is behind this hub: then the bell is its, else the page's own, which forgets. */
let isKept = false;
let sent = 0;
let posts = 0;

mountPage();

const showConnection = connectionLine({ state: byId("state"), title: byId("state-title"), tryNow: byId("try-now") }, () => ws?.connect());
const toast = (...parts) => globalThis.showToast?.(...parts);

function nameOf(user) {
  if (user === session.current?.userId) return "You";
  return user === partner?.current?.userId ? `${partner.current.name} (partner)` : `User ${user}`;
}

// The bell

function drawBell() {
  const { all, unread, badge } = bell;
  byId("badge").textContent = badge;
  byId("badge").hidden = badge === "";
  byId("bell").setAttribute("aria-label", `Notifications, ${unread === 0 ? "none" : unread} unread`);
  byId("read-all").disabled = unread === 0;
  byId("bell-empty").hidden = all.length > 0;
  byId("bell-list").hidden = all.length === 0;
  byId("bell-list").replaceChildren(...all.map(({ title, message, at, isRead }) => {
    const words = element("div", { className: "bell-words" }, element("p", { className: "bell-subject" },
      ...(isRead ? [] : [element("span", { className: "offscreen" }, "Unread: ")]), title));
    if (message) words.append(element("p", { className: "note" }, message));
    const row = element("li", { className: "bell-row" }, element("span", { className: "unread-dot" }), words, time(at));
    row.toggleAttribute("data-unread", !isRead);
    return row;
  }));
}

function openBell(isOpen) {
  byId("bell-panel").hidden = !isOpen;
  byId("bell").setAttribute("aria-expanded", String(isOpen));
}

byId("bell").addEventListener("click", () => openBell(byId("bell-panel").hidden));
byId("bell-box").addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || byId("bell-panel").hidden) return;
  openBell(false);
  byId("bell").focus();
});
document.addEventListener("click", ({ target }) => {
  if (!byId("bell-box").contains(target)) openBell(false);
});
byId("read-all").addEventListener("click", () => {
  bell.readAll();
  drawBell();
  byId("bell").focus();
});

// Posts and orders

function happened(room, type, data) {
  const { title, text, mark } = inWords(type, data);
  const words = element("div", {}, element("p", { className: "happened-title" }, title));
  if (text) words.append(element("p", { className: "note" }, text));
  byId("happened-empty").hidden = true;
  byId("happened").hidden = false;
  list.add(element("li", { className: "happening", title: type, dataset: { mark } }, icon(room), words, time(Date.now())));
  toast(title, text, mark);
}

byId("publish").addEventListener("click", () => {
  posts += 1;
  const button = byId("publish");
  button.setAttribute("aria-busy", "true");
  ws?.emit("sns", "publish_start", { post_id: `p-${posts}`, platforms: ["web"] }, ({ success, message }) => {
    button.removeAttribute("aria-busy");
    if (!success) toast("Not published", line(message), "error");
  });
});

// The connection

function connect() {
  if (typeof globalThis.WebSocketClient !== "function") return;
  ws = new globalThis.WebSocketClient({ token: () => session.freshToken() });
  globalThis.ws = ws;
  const mine = ws;
  showConnection("connecting");
  for (const [room, types] of Object.entries(SHOWN)) {
    for (const type of types) ws.on(room, type, (data) => happened(room, type, data));
  }
  ws.on("notifications", "notification", (data) => {
    const entry = bell.take(data, Date.now());
    if (entry === null) return;
    drawBell();
    announce(`Notification: ${entry.title}`);
  });
  ws.on("notifications", "notification_read", ({ notification_id: id }) => {
    bell.read(id);
    drawBell();
  });
  ws.on("notifications", "notification_deleted", ({ notification_id: id }) => {
    bell.remove(id);
    drawBell();
  });
  findInbox(mine);
  chat = mountChat({ chats: new Chats(session.current.userId), ws, nameOf, toast, token: () => session.freshToken() });
  ws.on("chat", "connect", () => {
    showConnection("live", { detail: "Events arrive as they happen." });
    drawSession();
  });
  ws.on("chat", "disconnect", () => {
    if (mine === ws) showConnection("offline", { since: Date.now(), detail: "The connection was lost. It comes back by itself." });
  });
  ws.on("chat", "connect_error", (error) => {
    if (mine === ws && error.message === "Unauthorized") refused(mine);
  });
  ws.connect();
}

/** Shows the bell of the inbox, where there is one. */
async function findInbox(mine) {
  isKept = globalThis.FanfareInbox !== undefined && (await hasInbox(await session.freshToken()));
  if (mine !== ws) return;
  if (isKept) {
    const { createInbox, liveFromSocketIo } = globalThis.FanfareInbox;
    byId("inbox-bell").inbox = createInbox({ baseUrl: BASE, getToken: () => session.freshToken(), live: liveFromSocketIo(mine) });
  }
  drawSession();
  bench.draw();
}

/** The server says that the token is no good; whose fault that is the session knows. */
async function refused(mine) {
  const token = await session.freshToken();
  if (mine !== ws) return;
  if (token === null || session.isOver) leave("Your sign-in has ended. Sign in again; your messages are still there.");
  else leave("The hub is there but refused this token: it was signed with another key, or it has ended. Sign in again.");
}

// Signing in

function drawSession() {
  const { current } = session;
  byId("signed-in").hidden = current === null;
  byId("bell-box").hidden = current === null || isKept;
  byId("inbox-bell").hidden = current === null || !isKept;
  if (current === null) return;
  byId("who").textContent = current.name === `User ${current.userId}` ? current.name : `${current.name} (user ${current.userId})`;
  // Tokens of an account are renewed.
  byId("until").textContent = current.refresh ? "" : `until ${timeOfDay(current.expiresAt)}`;
  byId("until").title = exactTime(current.expiresAt);
}

function enter() {
  byId("sign-in").hidden = true;
  byId("room").hidden = false;
  drawSession();
  drawBell();
  connect();
  drawBench();
}

async function leave(why) {
  const old = ws;
  ws = null;
  chat?.end();
  chat = null;
  old?.disconnect();
  partner?.leave();
  partner = null;
  session.signOut();
  bell = new Bell();
  isKept = false;
  openBell(false);
  byId("inbox-bell").toggle?.(false);
  list.clear();
  byId("happened").hidden = true;
  byId("happened-empty").hidden = false;
  showConnection("signed-out", { detail: why });
  drawSession();
  byId("room").hidden = true;
  drawPartner();
  drawBench();
  server ??= await askServer();
  await showSignIn({
    root: byId("sign-in"), session, server, why, done: enter,
    heading: "Sign in to see what is yours",
    purpose: "Notifications, orders and messages are told only to the user whose they are. So this world is for signed-in users.",
  });
}

byId("sign-out").addEventListener("click", () => leave(""));

// The partner

function drawPartner(words) {
  const isThere = partner?.isThere === true;
  byId("partner").textContent = isThere ? "Leave" : "Join";
  byId("partner").disabled = ws === null;
  byId("partner-state").textContent = words ?? (isThere ? `Here as ${partner.current.name} (user ${partner.current.userId})` : "Not here");
  chat?.draw();
}

async function join(at) {
  if (ws === null || at.getAttribute("aria-busy") === "true") return;
  at.setAttribute("aria-busy", "true");
  setPartnerFault("");
  partner ??= new Partner({ Client: globalThis.WebSocketClient, session: partnerSession });
  const mine = partner;
  try {
    await mine.join();
    if (mine === partner) {
      drawPartner();
      chat?.open(mine.current.userId);
    }
  } catch (fault) {
    if (!(fault instanceof TypeError)) throw fault;
    setPartnerFault(fault.message);
  } finally {
    at.removeAttribute("aria-busy");
  }
}

function setPartnerFault(words) {
  byId("partner-fault").textContent = words;
  byId("partner-fault").hidden = words === "";
  if (words) announce(words);
}

byId("join").addEventListener("click", ({ currentTarget }) => join(currentTarget));
byId("partner").addEventListener("click", ({ currentTarget }) => {
  if (!partner?.isThere) return join(currentTarget);
  partner.leave();
  drawPartner();
});

// The back end

let kind = KINDS[0].key;

const user = () => userOf(session.current.userId);
const isForInbox = ({ type }) => isKept && type === "notification";
/** What the service takes of a notification's event: it gives the id. */
const draftOf = ({ data: { title, message } }) => ({ category: "general", title, message });
const bench = mountBench({
  request: (base, chosen, key) => (isForInbox(chosen) ? { ...notificationRequest(base, draftOf(chosen), ""), secret: "$TOKEN" } : requestFor(base, chosen, key)),
  publication: () => (session.current === null ? null : publicationOf(kind, user(), sent)),
  nobody: () => "no connection of yours is there",
  missing: () => "you are signed in",
});

function drawBench() {
  for (const id of ["send-event", "send-all"]) byId(id).disabled = session.current === null;
  drawPartner();
  bench.draw();
}

async function notify(chosen) {
  const answer = await sendNotification(notificationRequest(BASE, draftOf(chosen), await session.freshToken()));
  byId("result").dataset.ok = answer.ok;
  byId("result").removeAttribute("data-nobody");
  byId("result").textContent = sentWords(answer);
}

byId("kinds").replaceChildren(...KINDS.map(({ key, label }) => {
  const input = element("input", { type: "radio", name: "kind", value: key, checked: key === kind });
  input.addEventListener("change", () => {
    kind = key;
    bench.draw();
  });
  return element("label", {}, input, element("span", {}, label));
}));
byId("send-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (session.current === null) return;
  const chosen = publicationOf(kind, user(), sent);
  sent += 1;
  if (isForInbox(chosen)) await notify(chosen);
  else await bench.send(chosen);
  bench.draw();
});
byId("send-all").addEventListener("click", async () => {
  sent += 1;
  const chosen = KINDS.map(({ key }) => publicationOf(key, user(), sent));
  await bench.sendAll(chosen.filter((one) => !isForInbox(one)));
  const [kept] = chosen.filter(isForInbox);
  if (kept) await sendNotification(notificationRequest(BASE, draftOf(kept), await session.freshToken()));
  sent += 1;
  bench.draw();
});

// The beginning

async function begin() {
  drawBench();
  const there = scriptsAreThere([
    ["websocket.js", typeof globalThis.WebSocketClient === "function"],
    ["fanfare-bell.js", globalThis.FanfareInbox !== undefined],
    ["toast-notifications.js", typeof globalThis.showToast === "function"],
  ]);
  if (!there) showConnection("offline", { detail: "A script of this page is missing." });
  setFault(byId("text"), null);
  if (session.current !== null && !session.isOver) return enter();
  return leave(session.isOver ? "Your sign-in has ended. Sign in again; your messages are still there." : "");
}

begin();
