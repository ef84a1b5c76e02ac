// The table of the rounds, and its place in docs/performance.md. Measures nothing.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

/** The goal: the main thread's share of the time. */
export const GOAL = 0.5;

const BEGIN = "<!-- bench-browser:begin -->";
const END = "<!-- bench-browser:end -->";

/** The middle of some numbers; the lower one of two. */
export function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];
}

/** The value that a share of the numbers does not exceed. */
export function percentile(numbers, share) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** A table of all rounds, with the machine and the command. `results` are in the order in which they ran. */
export function table(results, { command, browser, rate, seconds }) {
  const { model } = cpus()[0];
  const machine = `${model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release().split(".").slice(0, 2).join(".")}`;
  const percent = (share) => `${(share * 100).toFixed(1)} %`;
  const rows = [...new Set(results.map(({ name }) => name))].map((name) => {
    const rounds = results.filter((result) => result.name === name);
    const of = (read) => median(rounds.map(read));
    const shares = rounds.map(({ busy, wall }) => busy / wall);
    const events = rounds.map(({ total, lost, doubled }) =>
      lost + doubled === 0 ? `${total}` : `${total - lost} of ${total}, ${doubled} twice`,
    );
    return [
      name,
      `${percent(median(shares))} (${shares.map(percent).join(", ")})`,
      percent(of(({ cpu, wall }) => cpu / wall)),
      percent(of(({ script, wall }) => script / wall)),
      percent(of(({ style, layout, wall }) => (style + layout) / wall)),
      of(({ longest }) => longest) ? `${of(({ longest }) => longest)} ms` : "none",
      [...new Set(events)].join("; "),
      `${of(({ p50 }) => p50)} / ${of(({ p99 }) => p99)} ms`,
      renders(rounds),
    ].join(" | ");
  });
  return `Machine: ${machine}; server, publisher and browser share it. ${browser}, Node ${process.version}, commit ${commit()}.

Command: \`${command}\`; ${rate} \`job_created\` events a second for ${seconds} s, ${rounds(results)}, each with a fresh server and browser.

| page | main thread busy (each round) | on a core | script | style and layout | longest task over 50 ms | events seen by handlers | publish to handler, p50 / p99 | renders |
|---|--:|--:|--:|--:|--:|--:|--:|---|
${rows.map((row) => `| ${row} |`).join("\n")}

Goal: the median under ${percent(GOAL)}, no event lost or doubled in any round. ${verdict(results)}`;
}

function rounds(results) {
  const count = Math.max(...results.map(({ round }) => round));
  return count === 1 ? "one round" : `medians of ${count} rounds`;
}

function renders(rounds) {
  const last = rounds.at(-1).renders;
  if (!last) return "";
  return Object.entries(last)
    .map(([component, count]) => `${component} ${count}`)
    .join(", ");
}

/** What was not good in a run, whatever it took. */
export function faultsOf({ lost, doubled, faults }) {
  return [
    ...(lost ? [`${lost} events were lost`] : []),
    ...(doubled ? [`${doubled} events came twice`] : []),
    ...faults,
  ];
}

/** The pages whose main thread was busy for too long, by the median of their rounds. */
function tooBusy(results) {
  const names = [...new Set(results.map(({ name }) => name))];
  return names.filter((name) => {
    const shares = results.filter((result) => result.name === name).map(({ busy, wall }) => busy / wall);
    return median(shares) >= GOAL;
  });
}

/** Whether every page reached the goal, and nothing went wrong in any run. */
export function isReached(results) {
  return tooBusy(results).length === 0 && results.every((result) => faultsOf(result).length === 0);
}

function verdict(results) {
  if (isReached(results)) return "Reached.";
  const busy = tooBusy(results).map((name) => `${name} was busy for longer`);
  const faults = results.flatMap((result) => faultsOf(result).map((fault) => `${result.name}: ${fault}`));
  return `**Missed**: ${[...busy, ...new Set(faults)].join("; ")}.`;
}

function commit() {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

/** Puts the table between its markers. */
export function write(file, text) {
  const before = readFileSync(file, "utf8");
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has no ${BEGIN} … ${END}`);
  writeFileSync(file, `${before.slice(0, begin + BEGIN.length)}\n${text}\n${before.slice(end)}`);
}
