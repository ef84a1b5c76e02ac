// A client of `/ws` as it is in the field, with npm's `ws` and a token in the header: prints what comes.
//
//   node channels-ws.cjs ws://localhost:8080/ws <token>

const WebSocket = require("ws");

const [url, token] = process.argv.slice(2);
const ws = new WebSocket(url, { headers: { Authorization: `Bearer ${token}` } });

ws.on("message", (raw) => {
  const event = JSON.parse(raw);
  console.log(event.type, JSON.stringify(event));
});

ws.on("error", (error) => console.log("failed", error.message));
ws.on("close", (code, reason) => console.log("closed", code, reason.toString()));
