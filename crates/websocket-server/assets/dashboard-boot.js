// Runs before the dashboard's client files, which stay as they are: says which user the page is for and whether it wants batches,
// in the attributes of <body> that dashboard-websocket-init.js reads, and lets the page see the frames of the socket as they come,
// before the client takes a batch apart. A classic script, since the client files are.
//
// The address may say `?user=7&batch=500`; else this tab's last choice holds.

(() => {
  const asked = new URLSearchParams(location.search);
  const read = (key) => {
    try {
      return sessionStorage.getItem(key);
    } catch {
      return null;
    }
  };
  const signedIn = read("fanfare.demo.dashboard.signed-in") === "true" ? parsed(read("fanfare.demo.session")) : null;
  const user = signedIn?.userId ?? (asked.get("user")?.trim() || read("user_id")?.trim() || "demo-7");
  const chosen = Number(asked.get("batch") ?? read("fanfare.demo.batch"));
  const batch = Number.isInteger(chosen) && chosen > 0 && chosen <= 10_000 ? chosen : 0;

  function parsed(text) {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }

  const query = new URLSearchParams();
  if (batch > 0) query.set("batch", String(batch));
  if (signedIn?.token) query.set("token", signedIn.token);
  document.body.dataset.userId = user;
  try {
    sessionStorage.setItem("user_id", user);
    sessionStorage.setItem("fanfare.demo.batch", String(batch));
  } catch {
    // They hold for this page.
  }
  if (query.size > 0) document.body.dataset.wsUrl = `/?${query}`;

  const Plain = globalThis.WebSocket;
  const demo = { user, batch, PlainWebSocket: Plain, watch: null };
  globalThis.fanfareDemo = demo;
  globalThis.WebSocket = class extends Plain {
    constructor(...parts) {
      super(...parts);
      this.addEventListener("message", ({ data }) => demo.watch?.(data));
    }
  };
})();
