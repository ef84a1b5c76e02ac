// What the list shows: the view, a state and a kind of work; where it stands in the address, and what is asked of the
// service for it. The rows themselves are in `list-model.ts`.

import { JOB_STATUSES, JOB_TYPES, type JobStatus, type JobType, type UserType } from "./job";

/** `open`: everybody's open jobs. `mine`: those the viewer posted or accepted, in any state. */
export type View = "open" | "mine";

/** A filter of the list. `status` applies to the viewer's own jobs only: the other view has open jobs alone. */
export interface JobFilter {
  view: View;
  status: JobStatus | null;
  type: JobType | null;
}

/** The parameters of `GET /jobs` for a filter. */
export interface JobsQuery {
  status?: JobStatus;
  job_type?: JobType;
  mine?: boolean;
}

/** The view that a viewer sees first: a worker what there is to take, an employer the jobs posted. */
export function defaultView(role: UserType): View {
  return role === "worker" ? "open" : "mine";
}

/** The words of the two views, the default first. */
export function viewWords(role: UserType): readonly { view: View; word: string }[] {
  return role === "worker"
    ? [
        { view: "open", word: "Open to take" },
        { view: "mine", word: "Mine" },
      ]
    : [
        { view: "mine", word: "Mine" },
        { view: "open", word: "All open" },
      ];
}

/** The states that the viewer's own jobs can have: a job that a worker accepted is never open. */
export function ownStatuses(role: UserType): readonly JobStatus[] {
  return role === "worker" ? JOB_STATUSES.filter((status) => status !== "open") : JOB_STATUSES;
}

/** Reads the filter out of the address. What it does not know falls back to the default. */
export function filterFromSearch(search: URLSearchParams, role: UserType): JobFilter {
  const show = search.get("show");
  const view: View = show === "open" || show === "mine" ? show : defaultView(role);
  const status = ownStatuses(role).find((known) => known === search.get("state")) ?? null;
  const type = JOB_TYPES.find((known) => known === search.get("type")) ?? null;
  return { view, status: view === "mine" ? status : null, type };
}

/** The filter as the address says it, without what is the default: `?show=mine&type=design`, or an empty text. */
export function searchOfFilter(filter: JobFilter, role: UserType): string {
  const search = new URLSearchParams();
  if (filter.view !== defaultView(role)) search.set("show", filter.view);
  if (filter.view === "mine" && filter.status) search.set("state", filter.status);
  if (filter.type) search.set("type", filter.type);
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

/** What to ask the service for. */
export function queryOfFilter(filter: JobFilter): JobsQuery {
  const query: JobsQuery = {};
  if (filter.view === "mine") {
    query.mine = true;
    if (filter.status) query.status = filter.status;
  } else {
    query.status = "open";
  }
  if (filter.type) query.job_type = filter.type;
  return query;
}

/** Whether anything narrows the view. */
export function isNarrowed(filter: JobFilter): boolean {
  return filter.status !== null || filter.type !== null;
}

/** A text that is the same for the same filter: the list starts anew when it changes. */
export function filterKey(filter: JobFilter): string {
  return `${filter.view}/${filter.status ?? "any"}/${filter.type ?? "any"}`;
}
