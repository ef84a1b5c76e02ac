// What each WebSocket close code means and whether the page comes back: read by the connection (what to do) and by the close
// log (what to say). Where the hub's own table (close-codes.json of the protocol crate) has the code, the rule is that one's;
// the others are those of browsers, proxies and RFC 6455. No state, no DOM.

/** When a closed connection is opened again. */
export const COME_BACK = Object.freeze({
  atOnce: "at once",
  backoff: "after a growing pause",
  never: "when you connect",
  newToken: "when you give another token",
});

const CODES = new Map([
  [1000, ["Normal closure", "The server ended the connection on purpose.", "never"]],
  [1001, ["Going away", "The server is shutting down or restarting.", "backoff"]],
  [1002, ["Protocol error", "A frame broke the WebSocket protocol (RFC 6455).", "never"]],
  [1003, ["Unsupported data", "The server does not take this kind of frame.", "never"]],
  [1005, ["No code given", "The server closed without saying why.", "backoff"]],
  [1006, ["Connection lost", "It ended without a close frame: the network, a proxy or the server broke off.", "backoff"]],
  [1007, ["Invalid text", "A text frame was not valid UTF-8.", "never"]],
  [1008, ["Policy violation", "The server refused what this connection did.", "never"]],
  [1009, ["Message too big", "A frame was larger than the server takes (64 KiB unless configured).", "never"]],
  [1010, ["Extension missing", "The server did not offer an extension that was required.", "never"]],
  [1011, ["Server error", "The server met a fault of its own. Its log has the details.", "backoff"]],
  [1012, ["Service restart", "The server restarts and will be back.", "backoff"]],
  [1013, ["Try again later", "The server is overloaded and asks for a pause.", "backoff"]],
  [1014, ["Bad gateway", "A proxy got no proper answer from the server.", "backoff"]],
  [1015, ["TLS failure", "The secure connection could not be made. Check the certificate.", "backoff"]],
  [4001, ["Unauthorized", "The token is missing, wrong or expired.", "newToken"]],
  [4008, ["Rate limit exceeded", "This connection sent more frames in 10 s than the server allows.", "backoff"]],
  [4009, ["Ping timeout", "Nothing came from this page for 60 s, not even an answer to a ping.", "atOnce"]],
  [4010, ["Slow consumer", "This page read more slowly than events came, and missed those that waited.", "atOnce"]],
  [4011, ["Taken over", "Another connection was resumed with this one's token and goes on in its place.", "never"]],
  [4012, ["Disconnected", "An operator ended the connections of this user.", "never"]],
  [4029, ["Too many connections", "This user has as many connections as the server allows, or sent too many frames.", "backoff"]],
]);

const DELAY_IN_REASON = /reconnect in (\d{1,6}) ms/;

/** The longest pause that a server may ask for; a larger number is taken for this. */
export const MAX_ASKED_DELAY_MS = 120_000;

/** What is known of a close: its name, its meaning, when to come back, and the pause that the reason asks for. */
export function explainClose(code, reason) {
  const [name, meaning, comeBack] = CODES.get(code) ?? unknownCode(code);
  const asked = DELAY_IN_REASON.exec(reason);
  return {
    name,
    meaning,
    comeBack,
    askedDelayMs: asked ? Math.min(Number(asked[1]), MAX_ASKED_DELAY_MS) : null,
  };
}

function unknownCode(code) {
  if (code >= 4000) return ["Application code", "A code of the server's own; its reason says more.", "backoff"];
  return ["Unknown code", "Not a code that this page knows; its reason says more.", "backoff"];
}

/** All codes in ascending order, for the reference list. */
export function knownCodes() {
  return [...CODES].map(([code, [name, meaning, comeBack]]) => ({ code, name, meaning, comeBack }));
}
