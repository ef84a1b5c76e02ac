// The empty stream: says what will appear, and gives the one button that makes it appear. What that is depends on the
// connection and the filter.

/** `actions` has `tryEvent`, `connect`, `tryNow` and `clearFilter`. Returns the function that draws. */
export function mountFirstRun(actions) {
  const byId = (id) => document.getElementById(id);
  let action = actions.tryEvent;

  byId("first-button").addEventListener("click", () => action());

  function say(title, words, label, run) {
    byId("first-title").textContent = title;
    byId("first-text").textContent = words;
    byId("first-text").hidden = words === "";
    byId("first-button").textContent = label;
    action = run;
  }

  return function draw({ empty, recorded, filtered, state }) {
    const box = byId("first-run");
    box.hidden = !empty;
    if (!empty) return;
    if (filtered && recorded > 0) {
      say("No frame passes the filter", "What was recorded is still there.", "Clear the filter", actions.clearFilter);
    } else if (state === "live") {
      say("Events arrive here the moment they are published",
        "Each with its channel, size and latency. Send one with the button, or run the curl command of the publish form in a terminal.",
        "Subscribe to jobs and publish a test event", actions.tryEvent);
    } else if (state === "waiting") {
      say("Not connected now", "Events arrive here once the connection is live. What is published meanwhile does not reach this page.", "Try now", actions.tryNow);
    } else if (state === "connecting") {
      say("Connecting", "Events arrive here once the connection is live.", "Connect again", actions.connect);
    } else if (state === "signed-out") {
      say("Signed out", "The server closed the connection with 4001. Events arrive here once it takes a token.", "Give a token", actions.connect);
    } else {
      say("Not connected", "Events arrive here once this page is connected.", "Connect", actions.connect);
    }
  };
}
