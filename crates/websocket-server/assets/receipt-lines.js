// What the page of receipts prints of a message: `Receipt abc123 → processed`, as the clients in the field do, whatever comes. The
// parts are text from others. No DOM.

const MOST_TEXT = 120;

const MARKS = new Map([["received", "queued"], ["processing_started", "working"], ["processed", "done"], ["failed", "failed"]]);

/** The states of a receipt in their order (contract: receipts). */
export const STATUSES = [...MARKS.keys()];

/** `{line, mark, type, at}` of a message; `at` in milliseconds. What is no receipt is printed as it came. */
export function receiptLine(text, now) {
  let frame = null;
  try {
    frame = JSON.parse(text);
  } catch {
    // Printed as it came.
  }
  if (typeof frame?.receipt_id !== "string" && typeof frame?.receipt_id !== "number") {
    return { line: bounded(String(text)), mark: "other", type: "", at: now };
  }
  const parsed = Date.parse(frame.timestamp);
  return {
    line: `Receipt ${bounded(String(frame.receipt_id))} → ${bounded(String(frame.status))}`, mark: MARKS.get(frame.status) ?? "other",
    type: bounded(String(frame.type)), at: Number.isFinite(parsed) ? parsed : now,
  };
}

/** The publication of a receipt's state. */
export function receiptPublication(type, id, status) {
  return { type, channel: "receipts", data: { status, receipt_id: id } };
}

/** So many receipts in all states, one after the other: `abc1` is received, then its processing started, and so on. */
export function manyReceipts(count, prefix) {
  const lives = [["received", "processing_started", "processed"], ["received", "processing_started", "failed"]];
  const made = [];
  for (let n = 1; made.length < count; n += 1) {
    for (const status of lives[n % 7 === 0 ? 1 : 0]) {
      made.push(receiptPublication(status === "received" ? "receipt_upload" : "receipt_update", `${prefix}${String(n).padStart(3, "0")}`, status));
    }
  }
  return made.slice(0, count);
}

function bounded(text) {
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT - 1)}…` : text;
}
