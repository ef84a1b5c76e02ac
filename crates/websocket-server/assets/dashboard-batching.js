// The dashboard's batching: the switch, and what it does to the frames of the socket, window by window. What is counted is in
// dashboard-windows.js; what the socket hears it tells through dashboard-boot.js.

import { count, counted } from "./format.js";
import { eventsIn, WINDOWS, Windows } from "./dashboard-windows.js";
import { byId, element, kept } from "./world-page.js";

/** The length of a window while nothing is collected. */
const UNBATCHED_WINDOW_MS = 500;

/** Events of a burst. */
const BURST = 50;

/** The chart goes on by itself; what comes is drawn at once. */
const REDRAW_MS = 250;

const SVG = "http://www.w3.org/2000/svg";

function bar(className, n, height) {
  const one = document.createElementNS(SVG, "rect");
  const width = 400 / WINDOWS;
  for (const [name, value] of Object.entries({ class: className, x: n * width + 1, y: 71 - height, width: width - 2, height })) {
    one.setAttribute(name, String(value));
  }
  return one;
}

/** Wires the part. `batch` is what this page's socket asked for, in milliseconds, or 0; `onBurst` gets the number of events. */
export function mountBatching({ batch, onBurst }) {
  const windows = new Windows(batch || UNBATCHED_WINDOW_MS);

  function drawWindows() {
    const columns = windows.columns(Date.now());
    const most = Math.max(4, ...columns.map(({ events }) => events));
    const high = (number) => (number === 0 ? 0 : Math.max(2, (number / most) * 68));
    const floor = document.createElementNS(SVG, "path");
    floor.setAttribute("class", "floor");
    floor.setAttribute("d", "M0 71.5H400");
    const bars = columns.flatMap(({ events, frames }, n) => (events === 0 ? []
      : [bar("bar-events", n, high(events)), bar("bar-frames", n, high(frames))]));
    byId("chart").replaceChildren(...bars, floor);
    const { events, frames, last } = windows.totals;
    byId("events-total").textContent = count(events);
    byId("frames-total").textContent = count(frames);
    byId("last-window").textContent = last === null ? `One column is ${windows.length} ms`
      : `Last window: ${counted(last.events, "event")} in ${counted(last.frames, "frame")}`;
  }

  let willDraw = false;

  globalThis.fanfareDemo.watch = (text) => {
    const events = eventsIn(text);
    if (events === 0) return;
    windows.add(events, Date.now());
    if (willDraw) return;
    willDraw = true;
    requestAnimationFrame(() => {
      willDraw = false;
      drawWindows();
    });
  };

  const select = byId("batch");
  if (![...select.options].some(({ value }) => value === String(batch))) select.append(element("option", { value: String(batch) }, `${batch} ms`));
  select.value = String(batch);
  byId("batch-note").textContent = batch === 0
    ? "Each event is a frame of its own. With batching the hub collects what falls into one window and sends it as one frame."
    : `The hub collects for ${batch} ms and sends one frame. A lone event goes out as itself.`;
  select.addEventListener("change", () => {
    kept.set("fanfare.demo.batch", Number(select.value));
    // Asked for by the socket's address, which the client's files read when the page is loaded. The list stays.
    history.replaceState(null, "", location.pathname);
    location.reload();
  });
  byId("burst").addEventListener("click", () => onBurst(BURST));
  drawWindows();
  setInterval(drawWindows, REDRAW_MS);
}
