// What a run says: a line each 10 s, a summary, and a row of Markdown for docs/reliability.md.

import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** What stands around the rows in a document. */
const BEGIN = "<!-- chaos:runs -->";
const END = "<!-- /chaos:runs -->";

const HEAD = [
  "| seed | run | published | deliveries checked | hub and services killed | drains | power cuts | disk spells | cut | recovered, resumed | p50 / p99 at rest | wrong |",
  "|---|---|---|---|---|---|---|---|---|---|---|---|",
];

/** The value below which a share of the values lie. */
export function percentile(values, share) {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** A number as people write it; a dash where nothing was measured. */
function shown(value) {
  return Number.isNaN(value) ? "–" : value.toLocaleString("en");
}

/** Sums of counters that several processes have. */
export function summed(all) {
  const sum = {};
  for (const counts of all) {
    for (const [name, value] of Object.entries(counts))
      if (typeof value === "number") sum[name] = (sum[name] ?? 0) + value;
  }
  return sum;
}

/** One line of how it goes. */
export function progress({ now, seconds, clients, total, publishers, people, mayhem, passage }) {
  const { hubKills, serviceKills, drains, powerCuts, diskFull, diskBroken } = mayhem;
  return [
    `${String(now).padStart(4)} s of ${seconds}`,
    `${clients.open} of ${total} open`,
    `${publishers.published} published, ${clients.seen} seen`,
    `${people.jobs} jobs`,
    `killed ${hubKills}+${serviceKills}, drained ${drains}, power ${powerCuts}, disk ${diskFull}+${diskBroken}, cut ${passage.cuts}`,
    `recovered ${clients.recoveries}+${clients.resumes}`,
    ...(clients.wrong > 0 ? [`WRONG ${clients.wrong}`] : []),
  ].join("  ");
}

/** The summary, for people. */
export function summary(run) {
  const { publishers, clients, people, mayhem, passage, checked, took } = run;
  const statuses = Object.entries(publishers.statuses).map(([name, count]) => `${name} ${count}`);
  return [
    `seed ${run.seed}, ${run.seconds} s, ${run.total} clients`,
    `published   ${publishers.published} events by direct publishers (${publishers.abandoned} given up), ${people.jobs} jobs by people; ${checked.history} events in history`,
    `checked     ${checked.deliveries} deliveries to ${checked.sights} clients in all (${clients.remade} destroyed and made anew)`,
    `repeated    ${publishers.repeats} publications (${publishers.silent} cut or not answered, refused: ${statuses.join(", ") || "none"}), ${publishers.again} after their answer; ${people.repeats} calls of services`,
    `killed      hub ${mayhem.hubKills} times and ${mayhem.hubKillsInStart} while it started, services ${mayhem.serviceKills}; drained ${mayhem.drains} (longest ${run.longestDrain} ms), services stopped ${mayhem.serviceStops}; frozen ${mayhem.freezes}`,
    `disk        full ${mayhem.diskFull} times, broken ${mayhem.diskBroken}; power cut ${mayhem.powerCuts}`,
    `network     ${passage.cuts} connections cut (${passage.ghosts} unnoticed by the server), ${passage.stalls} held up, all at once ${mayhem.massCuts}+${mayhem.massStalls} times`,
    `came back   ${clients.recoveries} recoveries by subscription, ${clients.resumes} resumes (${clients.takeovers} from a connection that was open, ${clients.refused} tokens refused, ${checked.tokens} taken once more after a crash)`,
    `at rest     p50 ${shown(took.p50)} ms, p99 ${shown(took.p99)} ms from publish to seen (${took.count} events)`,
  ].join("\n");
}

function row(run) {
  const { publishers, clients, people, mayhem, passage, checked, took } = run;
  const cells = [
    run.seed,
    `${run.seconds} s, ${run.total} clients${run.up ? ", one process" : ""}, ${run.date}`,
    `${shown(publishers.published)} and ${shown(people.jobs)} jobs`,
    shown(checked.deliveries),
    `${mayhem.hubKills + mayhem.hubKillsInStart} and ${mayhem.serviceKills}`,
    mayhem.drains,
    mayhem.powerCuts,
    mayhem.diskFull + mayhem.diskBroken,
    shown(passage.cuts),
    `${shown(clients.recoveries)}, ${shown(clients.resumes)}`,
    `${shown(took.p50)} / ${shown(took.p99)} ms`,
    run.wrong,
  ];
  return `| ${cells.join(" | ")} |`;
}

/** Puts a run into a document, between its markers; a row with the same seed and size is replaced. Makes the file if there is none. */
export function write(file, run) {
  const text = existsSync(file) ? readFileSync(file, "utf8") : `${BEGIN}\n${END}\n`;
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file} has no ${BEGIN} … ${END}`);
  const sameAs = `| ${run.seed} | ${run.seconds} s, ${run.total} clients${run.up ? ", one process" : ""},`;
  const rows = text
    .slice(from + BEGIN.length, to)
    .split("\n")
    .filter((line) => /^\| \d/.test(line) && !line.startsWith(sameAs));
  const table = [...HEAD, ...rows, row(run)].join("\n");
  writeFileSync(file, `${text.slice(0, from)}${BEGIN}\n${table}\n${text.slice(to)}`);
}
