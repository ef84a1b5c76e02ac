// The address of a hub: what a person may type, what the socket opens, and where its HTTP stands. No DOM.

/** The address of the server that this page came from. */
export function ownAddress(location) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}

/** Takes `ws://…`, `http://…`, `host:port` or `host`; gives the socket's URL as text. Throws a `TypeError` in words. */
export function parseAddress(typed, location) {
  const text = typed.trim();
  if (text === "") throw new TypeError(`Type an address, such as ${ownAddress(location)}`);
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1].toLowerCase();
  if (scheme && !["ws", "wss", "http", "https"].includes(scheme)) throw new TypeError("An address begins with ws:// or wss://");
  let url;
  try {
    url = new URL(scheme ? text : `${location.protocol === "https:" ? "wss" : "ws"}://${text}`);
  } catch {
    throw new TypeError(`Not an address. It looks like ${ownAddress(location)}`);
  }
  url.protocol = url.protocol.replace("http", "ws");
  if (url.pathname === "/") url.pathname = "/ws";
  url.hash = "";
  if (location.protocol === "https:" && url.protocol === "ws:" && !isLoopback(url.hostname)) {
    throw new TypeError("A page that came over https can only open wss:// addresses.");
  }
  return url.href;
}

/** Where `/broadcast`, `/stats` and `/health` stand for a socket address; ends in a slash. */
export function httpBase(address) {
  const url = new URL(address);
  url.protocol = url.protocol.replace("ws", "http");
  url.pathname = url.pathname.replace(/\/?ws\/?$/, "/");
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  url.search = "";
  return url.href;
}

function isLoopback(host) {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}
