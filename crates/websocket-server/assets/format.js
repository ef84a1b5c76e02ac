// How the page writes numbers, sizes, times and names: one place, so that the same thing reads the same everywhere. No DOM.

const integer = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const pad = (number, width) => String(number).padStart(width, "0");

/** `1,204`. */
export function count(number) {
  return integer.format(number);
}

/** `1 connection`, `3 connections`. */
export function counted(number, singular, plural = `${singular}s`) {
  return `${count(number)} ${number === 1 ? singular : plural}`;
}

/** `214 B`, `1.4 KiB`, `1.0 MiB`. */
export function bytes(size) {
  if (size < 1024) return `${size} B`;
  if (size < 1024 * 1024) return `${(size / 1024).toFixed(1)} KiB`;
  return `${(size / 1024 / 1024).toFixed(1)} MiB`;
}

/** `0.8 ms`, `14 ms`, `2.3 s`. */
export function duration(ms) {
  const size = Math.abs(ms);
  if (size >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${size < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** How long ago: `now`, `4 s`, `3 min`, `2 h`. */
export function age(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

/** `14:03` in local time. */
export function timeOfDay(at) {
  return clock.format(at);
}

/** `14:03:07`. */
export function timeWithSeconds(at) {
  return clockSeconds.format(at);
}

/** `2025-11-01 14:03:07.120`, for titles. */
export function exactTime(at) {
  const date = new Date(at);
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)}`;
  return `${day} ${clockSeconds.format(date)}.${pad(date.getMilliseconds(), 3)}`;
}
