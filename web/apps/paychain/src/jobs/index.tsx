// The jobs' page: the list at the left, the open job at the right; on a phone one of them at a time. The address says
// which job is open (`#/jobs/12`) and what the list shows (`?show=mine&type=design`).

import { Suspense, useCallback, useEffect, useRef, useState } from "react";
import { useLocation, useNavigate, useParams } from "react-router";
import { personName } from "../chat/person";
import { useSession } from "../session";
import {
  Button,
  FailureBoundary,
  Loading,
  NotOpened,
  PageHeading,
  PHONE,
  PlusIcon,
  part,
  useMediaQuery,
  usePageTitle,
} from "../ui";
import type { EmptyAction } from "./empty-words";
import { filterFromSearch, type JobFilter, searchOfFilter } from "./filter";
import styles from "./index.module.css";
import { IntentKeys } from "./intent-keys";
import { type Job, otherParty } from "./job";
import { JobList, type Place } from "./job-list";
import { useJob, useListedJob } from "./queries";
import { UnderWay } from "./under-way";
import { IntentKeysContext } from "./use-job-action";
import { useJobList } from "./use-job-list";

// Loaded behind the list: most visits begin with that.
const JobDetail = part(() => import("./job-detail").then((detail) => detail.JobDetail));
// Its form is loaded when it is needed, ahead of time if there is time.
const PostJobDialog = part(() => import("./post-job-dialog").then((dialog) => dialog.PostJobDialog));

const ConversationPanel = part(() => import("../chat/panel").then((panel) => panel.ConversationPanel));

/** Wide enough for the list, the job and its conversation beside each other. */
const THREE_PANES = "(min-width: 1180px)";

/** Loads what may be needed next. */
export function preloadJobParts(): void {
  JobDetail.preload();
  PostJobDialog.preload();
  ConversationPanel.preload();
}

/** The page of `#/jobs`, `#/jobs/:id` and `#/jobs/:id/messages`. */
export function JobsPage() {
  const { user: viewer } = useSession();
  const navigate = useNavigate();
  const phone = useMediaQuery(PHONE);
  const roomForThree = useMediaQuery(THREE_PANES);
  const [keys] = useState(() => new IntentKeys());
  /** Undefined before the first time: from then on what was typed is kept. */
  const [posting, setPosting] = useState<boolean>();
  const detailHeading = useRef<HTMLHeadingElement>(null);

  const place = useRef<Place>({ top: 0, row: null });

  const location = useLocation();
  const param = useParams().jobId;
  const selected = readId(param);
  const role = viewer.user_type;
  const filter = filterFromSearch(new URLSearchParams(location.search), role);
  const search = searchOfFilter(filter, role);

  useEffect(() => {
    if (phone && selected !== null) place.current.row = selected;
  }, [phone, selected]);

  const open = useJob(selected, useListedJob());
  const list = useJobList(filter, selected, open.data);
  usePageTitle(open.data && selected !== null ? open.data.title : "Jobs");

  const setFilter = useCallback(
    (next: JobFilter) => {
      const { pathname } = location;
      place.current = { top: 0, row: null };
      void navigate({ pathname, search: searchOfFilter(next, role) }, { replace: true });
    },
    [location, navigate, role],
  );
  const onEmptyAction = (action: EmptyAction) => {
    if (action === "post") setPosting(true);
    else if (action === "show_open") setFilter({ view: "open", status: null, type: null });
    else setFilter({ ...filter, status: null, type: null });
  };
  const onPosted = (job: Job) => {
    setPosting(false);
    // Shown where it can be seen: a filter that hides the new job would look as if nothing had happened.
    const hidden = filter.type !== null && filter.type !== job.job_type;
    const stays = !hidden && (filter.status === null || filter.status === job.status);
    const shown = stays ? search : searchOfFilter({ view: "mine", status: null, type: null }, role);
    void navigate({ pathname: `/jobs/${job.job_id}`, search: shown });
  };

  const detailOpen = param !== undefined;
  const peer = open.data && location.pathname.endsWith("/messages") ? otherParty(open.data, viewer) : null;
  const talk = (talking: boolean) =>
    void navigate({ pathname: `/jobs/${param}${talking ? "/messages" : ""}`, search: location.search });
  useFocusBehind(peer !== null);
  const postButton = role === "employer" && (
    <Button
      icon={<PlusIcon />}
      look={phone ? "primary" : "secondary"}
      wide={phone}
      onClick={() => setPosting(true)}
    >
      Post job
    </Button>
  );

  return (
    <IntentKeysContext value={keys}>
      <div className={styles.page} data-talk={(peer !== null && roomForThree) || undefined}>
        {!(phone && detailOpen) && (
          <div className={styles.list}>
            <JobList
              list={list}
              filter={filter}
              onFilter={setFilter}
              role={role}
              selected={selected}
              search={search}
              heading={
                phone ? (
                  <PageHeading hidden>Jobs</PageHeading>
                ) : (
                  <div className={styles.head}>
                    <PageHeading>Jobs</PageHeading>
                    {postButton}
                  </div>
                )
              }
              // Under the thumb there is a button for it already.
              offers={phone ? ["show_open", "clear"] : ["post", "show_open", "clear"]}
              place={place}
              onEnterDetail={() => detailHeading.current?.focus()}
              onEmptyAction={onEmptyAction}
            />
            {phone && postButton && <div className={styles.thumb}>{postButton}</div>}
          </div>
        )}
        {detailOpen && (peer === null || roomForThree) ? (
          <FailureBoundary page={location.pathname}>
            <Suspense fallback={<Loading label="Loading the job" />}>
              <JobDetail
                id={selected}
                job={open.data}
                error={open.error}
                retrying={open.isRefetching}
                onRetry={() => void open.refetch()}
                viewer={viewer}
                back={{ pathname: "/jobs", search }}
                alone={phone}
                headingRef={detailHeading}
                onTalk={() => talk(true)}
              />
            </Suspense>
          </FailureBoundary>
        ) : (
          !phone && !detailOpen && <UnderWay viewer={viewer} search={search} />
        )}
        {/* The list's heading, which is not on this screen. */}
        {phone && peer !== null && <h1 className="visually-hidden">Jobs</h1>}
        {peer !== null && (
          <FailureBoundary fallback={<NotOpened />}>
            <Suspense fallback={<Loading label="Loading the conversation" />}>
              <ConversationPanel
                key={peer}
                peer={peer}
                name={personName(peer, viewer)}
                about={open.data?.title ?? ""}
                alone={!roomForThree}
                onClose={() => talk(false)}
              />
            </Suspense>
          </FailureBoundary>
        )}
      </div>
      {role === "employer" && posting !== undefined && (
        <FailureBoundary fallback={posting && <NotOpened />}>
          <Suspense>
            <PostJobDialog open={posting} onClose={() => setPosting(false)} onPosted={onPosted} />
          </Suspense>
        </FailureBoundary>
      )}
    </IntentKeysContext>
  );
}

/** Gives the focus back to what opened the conversation when that is closed. */
function useFocusBehind(open: boolean) {
  const was = useRef(open);
  useEffect(() => {
    if (was.current && !open) document.querySelector<HTMLElement>("[data-talk]:is(button)")?.focus();
    was.current = open;
  }, [open]);
}

/** The job's id out of the address; null where it is none. */
function readId(text: string | undefined): number | null {
  if (text === undefined || !/^[1-9]\d{0,15}$/.test(text)) return null;
  const id = Number(text);
  return Number.isSafeInteger(id) ? id : null;
}
