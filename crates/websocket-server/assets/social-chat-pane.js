// The chat of the social demo as it is seen: conversations, messages, who types, who is there, what was read, and what waits while there
// is no connection. After a loss it fetches what came meanwhile, since Socket.IO does not tell it again. What is known is social-chat.js's.

import { setFault } from "./form-fault.js";
import { timeOfDay } from "./format.js";
import { faultOf, oldest, userOf } from "./social-chat.js";
import { conversations, messagesWith, Refused } from "./social-history.js";
import { announce, byId, element, icon, time } from "./world-page.js";

/** Pages that are fetched to close a gap; more than are kept. */
const MOST_PAGES = 12;

/** Between two attempts to fetch, milliseconds. */
const AGAIN_MS = 2_000;

/** Who goes on typing says so again before the other forgets it, milliseconds. */
const TYPING_AGAIN_MS = 4_000;

/** So near the end of the list a new message is followed, px. */
const NEAR = 48;

const STATES = { sending: ["clock", "Sending"], open: ["clock", "Not confirmed yet"], unsent: ["cross", "Not sent"] };

/**
 * `chats` is the model, `ws` the client, `token` gives the user's token, `nameOf` a user's name, `toast` tells what happened in another
 * conversation.
 */
export function mountChat({ chats, ws, token, nameOf, toast }) {
  let current = null;
  let generation = 0;
  let isOver = false;
  let isLive = false;
  let wait;
  let typingTimer;
  let toldTyping = 0;
  let newer = 0;
  const rows = new Map();
  const ending = new AbortController();
  const on = (id, event, run) => byId(id).addEventListener(event, run, { signal: ending.signal });
  const scroll = byId("chat-scroll");

  // What came meanwhile

  async function load(user) {
    const mine = generation;
    let before = null;
    for (let page = 1; page <= MOST_PAGES; page += 1) {
      const { items, hasMore } = await messagesWith(user, await token(), before);
      if (mine !== generation) return;
      if (chats.fetched(user, items, hasMore && page < MOST_PAGES)) break;
      before = oldest(items);
    }
    draw();
    if (user === current) toEnd();
    markRead();
  }

  /** Fetches all that may have changed; until it succeeds, or there is a newer reason to do so. */
  async function refresh() {
    generation += 1;
    const mine = generation;
    clearTimeout(wait);
    try {
      for (const one of await conversations(await token())) if (mine === generation) chats.told(one);
      if (mine !== generation) return;
      const open = chats.all.filter(({ sending }) => sending.some(({ state }) => state === "open")).map(({ id }) => id);
      for (const user of new Set([...(current === null ? [] : [current]), ...open])) {
        await load(user);
        if (mine !== generation) return;
      }
      byId("join").hidden = false;
      drawNotice();
      draw();
    } catch (fault) {
      if (mine !== generation || isOver) return;
      const isFinal = fault instanceof Refused && fault.status === 404;
      drawNotice(isFinal ? "There is no chat service behind this hub: fanfare up has one." : "Messages can't be fetched now. The page goes on trying.");
      byId("join").hidden = isFinal;
      if (!isFinal) wait = setTimeout(refresh, AGAIN_MS);
    }
  }

  function markRead() {
    if (current === null || !isLive || document.visibilityState !== "visible") return;
    const id = chats.toRead(current);
    if (id === null) return;
    chats.with(current).unread = 0;
    ws.markRead(id);
    drawList();
  }

  // What is seen

  function drawNotice(words = isLive ? "" : "Offline. What you write stays here, and what others write will be here when the connection is back.") {
    byId("chat-notice").textContent = words;
    byId("chat-notice").hidden = words === "";
  }

  function drawList() {
    const list = byId("chat-list");
    const shown = chats.all.filter(({ id, messages, latest, presence, sending }) => id === current || messages.size + latest + sending.length > 0 || presence === "online");
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.user : null;
    list.hidden = shown.length === 0;
    list.replaceChildren(...shown.map(({ id, unread, presence }) => {
      const words = [nameOf(id), presence === "online" ? "online" : "", unread > 0 ? `${unread} unread` : ""].filter(Boolean).join(", ");
      const chip = element("button", { className: "chip", type: "button", ariaLabel: words, dataset: { user: id, presence } },
        element("span", { className: "presence-dot" }), element("span", { className: "chip-name" }, nameOf(id)));
      chip.setAttribute("aria-pressed", String(id === current));
      if (unread > 0 && id !== current) chip.append(element("span", { className: "badge figure" }, unread > 99 ? "99+" : String(unread)));
      chip.addEventListener("click", () => open(id));
      return chip;
    }));
    if (focused !== null) [...list.children].find(({ dataset }) => dataset.user === focused)?.focus();
  }

  function drawHead() {
    byId("chat-title").textContent = current === null ? "Chat" : nameOf(current);
    byId("presence").hidden = current === null;
    for (const id of ["text", "send"]) byId(id).disabled = current === null;
    if (current === null) return;
    const { presence, since, typingUntil } = chats.with(current);
    byId("presence").dataset.presence = presence;
    byId("presence-words").textContent = { online: "Online", offline: since === null ? "Offline" : `Offline since ${timeOfDay(since)}`, unknown: "No sign yet" }[presence];
    clearTimeout(typingTimer);
    const left = typingUntil - Date.now();
    byId("typing").textContent = left > 0 ? `${nameOf(current)} is typing` : "";
    if (left > 0) typingTimer = setTimeout(drawHead, left);
  }

  function drawMessages() {
    const peer = current === null ? null : chats.with(current);
    byId("chat-empty").hidden = peer !== null;
    byId("messages").hidden = peer === null;
    byId("earlier").hidden = !peer?.hasEarlier;
    if (peer === null) return;
    const shown = chats.shown(current);
    const last = shown.findLast((one) => one.id !== undefined && chats.isMine(one));
    const kept = new Set();
    shown.forEach((one, at) => {
      const key = one.key ?? `m${one.id}`;
      kept.add(key);
      const row = rows.get(key) ?? makeRow(key, one);
      drawFoot(row, one, one === last ? peer.readTo : null);
      const there = byId("messages").children[at];
      if (there !== row) byId("messages").insertBefore(row, there ?? null);
    });
    for (const [key, row] of rows) {
      if (kept.has(key)) continue;
      row.remove();
      rows.delete(key);
    }
  }

  function makeRow(key, one) {
    const isMine = one.id === undefined || chats.isMine(one);
    const row = element("li", { className: "message", dataset: { side: isMine ? "mine" : "theirs" } },
      element("p", { className: "message-text" }, element("span", { className: "offscreen" }, `${isMine ? "You" : nameOf(current)}: `), one.message),
      element("p", { className: "message-foot" }));
    rows.set(key, row);
    return row;
  }

  function drawFoot(row, one, readTo) {
    const foot = row.lastElementChild;
    const state = one.state ?? (readTo === null ? "" : readTo >= one.id ? "read" : "sent");
    if (foot.dataset.state === state) return;
    foot.dataset.state = state;
    const at = one.at ?? Date.parse(one.timestamp);
    foot.replaceChildren(time(Number.isFinite(at) ? at : Date.now()));
    const [sign, words] = STATES[state] ?? { read: ["read", "Read"], sent: ["check", "Sent"] }[state] ?? [];
    if (words) foot.append(element("span", { className: "tick", title: one.why ?? "" }, icon(sign), words));
    if (state !== "unsent") return;
    const again = element("button", { className: "button small", type: "button" }, "Send again");
    again.addEventListener("click", () => {
      const user = current;
      chats.drop(user, one);
      send(user, one.message);
      byId("text").focus();
    });
    foot.append(element("span", { className: "why" }, one.why ?? ""), again);
  }

  function draw() {
    const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
    drawHead();
    drawList();
    drawMessages();
    if (isAtEnd) toEnd();
  }

  function toEnd() {
    scroll.scrollTop = scroll.scrollHeight;
    setNewer(0);
  }

  function setNewer(count) {
    newer = count;
    byId("newer").hidden = count === 0;
    byId("newer-words").textContent = `${count} new`;
  }

  // What is done here

  async function open(user) {
    stopTyping();
    current = String(user);
    chats.keep(current);
    rows.clear();
    byId("messages").replaceChildren();
    setFault(byId("peer"), null);
    draw();
    toEnd();
    byId("text").focus();
    if (chats.with(current).isWhole) markRead();
    else if (isLive) await refresh();
  }

  async function send(user, text) {
    if (!ws.sockets.chat?.connected) return setFault(byId("text"), "Not sent: there is no connection now. It stays here.");
    const entry = chats.begin(user, text, Date.now());
    byId("text").value = text === byId("text").value.trim() ? "" : byId("text").value;
    grow();
    draw();
    toEnd();
    chats.answered(user, entry, await ws.sendMessage(userOf(user), text), Date.now());
    if (entry.state === "open" && isLive) refresh();
    draw();
  }

  function stopTyping() {
    if (toldTyping > 0 && current !== null) ws.setTyping(userOf(current), false);
    toldTyping = 0;
  }

  function grow() {
    const text = byId("text");
    text.style.height = "auto";
    text.style.height = `${Math.min(text.scrollHeight + 2, 140)}px`;
  }

  on("open-form", "submit", (event) => {
    event.preventDefault();
    const typed = byId("peer").value.trim();
    setFault(byId("peer"), typed === "" ? "Type a user's id, such as 8." : null);
    if (typed === "") return byId("peer").focus();
    byId("peer").value = "";
    open(typed);
  });
  on("composer", "submit", (event) => {
    event.preventDefault();
    const text = byId("text").value.trim();
    const fault = faultOf(text);
    setFault(byId("text"), fault);
    if (fault !== null || current === null) return byId("text").focus();
    toldTyping = 0;
    send(current, text);
  });
  on("text", "keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    byId("composer").requestSubmit();
  });
  on("text", "input", () => {
    grow();
    setFault(byId("text"), null);
    if (current === null) return;
    if (byId("text").value === "") return stopTyping();
    if (Date.now() - toldTyping < TYPING_AGAIN_MS) return;
    toldTyping = Date.now();
    ws.setTyping(userOf(current), true);
  });
  on("text", "blur", stopTyping);
  on("newer", "click", () => {
    toEnd();
    scroll.focus();
  });
  on("chat-scroll", "scroll", () => {
    if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR) setNewer(0);
  });
  on("earlier", "click", async () => {
    const user = current;
    try {
      const { items, hasMore } = await messagesWith(user, await token(), oldest(chats.with(user).messages.values()));
      if (user !== current) return;
      const height = scroll.scrollHeight;
      chats.fetchedEarlier(user, items, hasMore);
      drawMessages();
      scroll.scrollTop += scroll.scrollHeight - height;
    } catch {
      drawNotice("Earlier messages can't be fetched now. Try again in a moment.");
    }
  });
  document.addEventListener("visibilitychange", markRead, { signal: ending.signal });

  // What arrives

  ws.on("chat", "connect", () => {
    isLive = true;
    drawNotice();
    setFault(byId("text"), null);
    refresh();
  });
  ws.on("chat", "disconnect", () => {
    isLive = false;
    generation += 1;
    clearTimeout(wait);
    chats.lost();
    toldTyping = 0;
    if (isOver) return;
    drawNotice();
    draw();
  });
  ws.on("chat", "message_received", (message) => {
    const taken = chats.take(message);
    if (taken === null || !taken.isNew) return;
    const { peer } = taken;
    const isMine = chats.isMine(message);
    if (peer.id === current && !isMine) {
      const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
      if (!isAtEnd) setNewer(newer + 1);
      announce(`${nameOf(peer.id)}: ${message.message}`);
    } else if (!isMine) toast(`${nameOf(peer.id)} wrote`, message.message, "info");
    draw();
    markRead();
  });
  ws.on("chat", "user_typing", ({ user_id: user, is_typing: isTyping }) => {
    chats.typing(user, isTyping === true, Date.now());
    drawHead();
    drawList();
  });
  ws.on("chat", "message_read", ({ message_id: id, user_id: reader }) => {
    chats.read(reader, id);
    draw();
  });
  for (const [event, presence] of [["user_online", "online"], ["user_offline", "offline"]]) {
    ws.on("chat", event, ({ user_id: user, timestamp }) => {
      const at = Date.parse(timestamp);
      chats.present(user, presence, Number.isFinite(at) ? at : Date.now());
      drawHead();
      drawList();
    });
  }

  draw();
  return {
    open,
    draw,
    /** Ends it; the elements are somebody else's from now on. */
    end() {
      isOver = true;
      generation += 1;
      clearTimeout(wait);
      clearTimeout(typingTimer);
      ending.abort();
      byId("messages").replaceChildren();
      byId("text").value = "";
      setFault(byId("text"), null);
    },
  };
}
