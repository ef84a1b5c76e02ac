// The form that posts a job: what was typed, what is wrong with it, and the request it becomes. Pure; drawn by
// `post-job-dialog.tsx`. The service decides what is right; this only says early what is surely wrong.

import { parseMoney } from "../ui/money";
import type { JobType } from "./job";

/** What was typed, as text: nothing is lost when it is wrong. */
export interface JobForm {
  title: string;
  description: string;
  /** US dollars as typed: "450", "1,200.50", "$450". */
  pay: string;
  type: JobType;
  /** The value of a `datetime-local` input in the viewer's zone, or an empty text for none. */
  deadline: string;
}

/** The fields that can be wrong. */
export type FormField = "title" | "description" | "pay" | "type" | "deadline";

/** What is wrong, by field, in words for people. */
export type FormErrors = Partial<Record<FormField, string>>;

/** The body of `POST /jobs`. */
export interface NewJob {
  title: string;
  description?: string;
  pay_amount_usd: number;
  job_type: JobType;
  /** UTC in ISO 8601. */
  deadline?: string;
}

/** A form as it is before anything was typed. */
export const EMPTY_FORM: JobForm = { title: "", description: "", pay: "", type: "development", deadline: "" };

/** The longest title, in characters (Unicode code points, as the service counts). */
export const MAX_TITLE = 200;
/** The longest description, in characters. */
export const MAX_DESCRIPTION = 20_000;
const FIELD_OF_MEMBER: Record<string, FormField> = {
  title: "title",
  description: "description",
  pay_amount_usd: "pay",
  job_type: "type",
  deadline: "deadline",
};

const LABELS: Record<FormField, string> = {
  title: "The title",
  description: "The description",
  pay: "The pay",
  type: "The type",
  deadline: "The deadline",
};

/** The instant of a `datetime-local` value in the viewer's zone; null where it is none. */
export function parseDeadline(text: string): string | null {
  const instant = new Date(text);
  return Number.isNaN(instant.getTime()) ? null : instant.toISOString();
}

/** The request, or what is wrong with the form. `now` in milliseconds. */
export function requestOfForm(
  form: JobForm,
  now: number,
): { request: NewJob; errors: null } | { request: null; errors: FormErrors } {
  const errors: FormErrors = {};
  const title = form.title.trim();
  if (title === "") errors.title = "Say in a few words what is to be done.";
  else if ([...title].length > MAX_TITLE) errors.title = `At most ${MAX_TITLE} characters.`;
  if ([...form.description].length > MAX_DESCRIPTION) {
    errors.description = `At most ${MAX_DESCRIPTION.toLocaleString("en-US")} characters.`;
  }
  const pay = parseMoney(form.pay);
  if (pay.fault !== null) errors.pay = pay.fault;
  const deadline = form.deadline === "" ? null : parseDeadline(form.deadline);
  if (form.deadline !== "") {
    if (deadline === null) errors.deadline = "Give a date and a time.";
    else if (Date.parse(deadline) <= now) errors.deadline = "The deadline must be in the future.";
  }
  if (pay.amount === null || Object.keys(errors).length > 0) return { request: null, errors };

  const request: NewJob = { title, pay_amount_usd: pay.amount, job_type: form.type };
  if (form.description.trim() !== "") request.description = form.description;
  if (deadline !== null) request.deadline = deadline;
  return { request, errors: null };
}

/**
 * What the service found wrong, at the fields of the form. `rest` has what belongs to none of them, so that nothing
 * it says is lost.
 */
export function fieldErrors(errors: readonly { member: string; message: string }[]): {
  fields: FormErrors;
  rest: readonly string[];
} {
  const fields: FormErrors = {};
  const rest: string[] = [];
  for (const { member, message } of errors) {
    const field = FIELD_OF_MEMBER[member];
    if (field === undefined) rest.push(`${member} ${message}`);
    else fields[field] ??= sentence(`${LABELS[field]} ${message}`);
  }
  return { fields, rest };
}

function sentence(text: string): string {
  return text.endsWith(".") ? text : `${text}.`;
}

/** What the balance says about the pay, before the service decides. Null while either is unknown. */
export function balanceAfter(pay: string, balance: number | null): { enough: boolean; left: number } | null {
  const { amount } = parseMoney(pay);
  if (amount === null || balance === null) return null;
  const left = (Math.round(balance * 100) - Math.round(amount * 100)) / 100;
  return { enough: left >= 0, left };
}

/** The viewer's zone as a person knows it: "Europe/Berlin, UTC+1". `at` in milliseconds: summer time differs. */
export function zoneWords(at: number): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const minutes = -new Date(at).getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  const offset =
    minutes === 0 ? "UTC" : `UTC${sign}${hours}${rest === 0 ? "" : `:${String(rest).padStart(2, "0")}`}`;
  return zone === undefined || zone === "UTC" ? offset : `${zone.replaceAll("_", " ")}, ${offset}`;
}
