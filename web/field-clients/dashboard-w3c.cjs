// A client of the dashboard as it is in the field, with `w3cwebsocket` of npm's `websocket`: written as for a browser, follows a user and
// a queue, and asks for the connection that it had when it comes back after a second.
//
//   node dashboard-w3c.cjs ws://localhost:5000 user-7 queue-3

var W3CWebSocket = require("websocket").w3cwebsocket;

var url = process.argv[2];
var userId = process.argv[3];
var queueId = process.argv[4];
var connectionId = null;

function connect() {
  var client = new W3CWebSocket(url);

  client.onopen = () => {
    if (connectionId) client.send(JSON.stringify({ type: "reconnect", connectionId: connectionId }));
    else client.send(JSON.stringify({ type: "subscribe", userId: userId, queueId: queueId }));
  };

  client.onmessage = (event) => {
    if (typeof event.data !== "string") throw new Error("not a text");
    var message = JSON.parse(event.data);
    console.log(message.type, event.data);
    if (message.type === "subscribed") connectionId = message.connectionId;
  };

  client.onerror = () => {
    console.log("failed");
  };

  client.onclose = (event) => {
    console.log("closed", event.code, event.reason);
    setTimeout(connect, 1000);
  };
}

connect();
