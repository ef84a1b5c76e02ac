// A client of the dashboard as it is in the field, with npm's `ws`: subscribes, pings, prints. It does not come back by itself.
//
//   node dashboard-ws.cjs ws://localhost:5000 user-7
//   HEARTBEAT_MS=1000 node dashboard-ws.cjs ws://localhost:5000 user-7

const WebSocket = require("ws");

const [url, userId] = process.argv.slice(2);
const ws = new WebSocket(url);
let heartbeat;

ws.on("open", () => {
  ws.send(JSON.stringify({ type: "subscribe", userId }));
  heartbeat = setInterval(
    () => {
      ws.send(JSON.stringify({ type: "ping" }));
    },
    Number(process.env.HEARTBEAT_MS || 30000),
  );
});

ws.on("message", (raw) => {
  const message = JSON.parse(raw.toString());
  console.log(message.type, JSON.stringify(message));
});

ws.on("error", (error) => console.log("failed", error.message));

ws.on("close", (code, reason) => {
  clearInterval(heartbeat);
  console.log("closed", code, reason.toString());
});
