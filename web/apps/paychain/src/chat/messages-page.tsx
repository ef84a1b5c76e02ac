// All conversations of this user, the latest first, and the one that is open: `#/messages`, `#/messages/9`. On a phone one of them
// at a time.

import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "react-router";
import { useSession } from "../session";
import {
  Badge,
  ButtonLink,
  EmptyState,
  Loading,
  PageHeading,
  PHONE,
  Problem,
  Skeleton,
  TimeAgo,
  useMediaQuery,
  usePageTitle,
} from "../ui";
import { conversations } from "./conversations";
import styles from "./messages-page.module.css";
import { ConversationPanel } from "./panel";
import { isSame, type PersonId, personName } from "./person";
import { useUnread } from "./unread";
import { Unread } from "./unread-badge";
import type { Conversation } from "./wire";

/** The page. */
export function MessagesPage() {
  const { user, api } = useSession();
  const phone = useMediaQuery(PHONE);
  const navigate = useNavigate();
  const param = useParams().userId;
  const { data, error, isPending, isRefetching, refetch } = useQuery(conversations(api));
  const unread = useUnread();
  const items = data?.items ?? [];
  const open =
    param === undefined
      ? undefined
      : (items.find((each) => isSame(each.user_id, param))?.user_id ?? peerOf(param));
  const name = open === undefined ? "" : personName(open, user);
  usePageTitle(open === undefined ? "Messages" : name);

  return (
    <div className={styles.page}>
      {!(phone && open !== undefined) && (
        <section className={styles.list} aria-label="Conversations">
          <header className={styles.head}>
            <PageHeading>Messages</PageHeading>
          </header>
          <div className={styles.scroller}>
            {error !== null && (
              <div className={styles.state}>
                <Problem
                  error={error}
                  asked={{ title: "The conversations could not be loaded", kind: "read" }}
                  onRetry={() => void refetch()}
                  retrying={isRefetching}
                  note={items.length > 0}
                />
              </div>
            )}
            {isPending && <Bones />}
            {data && items.length === 0 && (
              <div className={styles.state}>
                <EmptyState
                  title="No conversations yet"
                  action={
                    <ButtonLink to={{ pathname: "/jobs", search: "?show=mine" }}>Show your jobs</ButtonLink>
                  }
                >
                  The employer and the worker of a job can write to each other. Open a job that is under way,
                  and press Message.
                </EmptyState>
              </div>
            )}
            {items.length > 0 && (
              <ul aria-label="Conversations, latest first">
                {items.map((each) => (
                  <Row
                    key={String(each.user_id)}
                    conversation={each}
                    name={personName(each.user_id, user)}
                    me={user.user_id}
                    unread={unread.get(String(each.user_id)) ?? 0}
                    current={open !== undefined && isSame(open, each.user_id)}
                  />
                ))}
              </ul>
            )}
          </div>
        </section>
      )}
      {/* The list's heading, which is not on this screen. */}
      {phone && open !== undefined && <h1 className="visually-hidden">Messages</h1>}
      {open !== undefined ? (
        <ConversationPanel
          key={String(open)}
          peer={open}
          name={name}
          alone={phone}
          onClose={() => void navigate("/messages")}
        />
      ) : (
        !phone && (
          <div className={styles.none}>
            <p>{items.length > 0 ? "Choose a conversation." : ""}</p>
          </div>
        )
      )}
    </div>
  );
}

/** The id of an address: a number where it looks like one. */
function peerOf(param: string): PersonId {
  return /^[1-9]\d{0,15}$/.test(param) ? Number(param) : param;
}

interface RowProps {
  conversation: Conversation;
  name: string;
  me: number;
  unread: number;
  current: boolean;
}

function Row({ conversation, name, me, unread, current }: RowProps) {
  const { user_id, last_message } = conversation;
  const mine = isSame(last_message.from_user_id, me);
  return (
    <li className={styles.item}>
      <Link
        to={`/messages/${encodeURIComponent(String(user_id))}`}
        className={styles.row}
        aria-current={current ? "true" : undefined}
      >
        <span className={styles.name}>{name}</span>
        <span className={styles.time}>
          <TimeAgo at={last_message.timestamp} />
        </span>
        <span className={styles.last} data-unread={unread > 0 || undefined}>
          {mine && <Badge tone="neutral">You</Badge>} {last_message.message}
        </span>
        <Unread count={unread} />
      </Link>
    </li>
  );
}

/** Widths of the bars, in percent. */
const BARS = [40, 52, 36, 48];

function Bones() {
  return (
    <div className={styles.state}>
      <Loading label="Loading conversations">
        {BARS.map((width) => (
          <div key={width} className={styles.bones}>
            <Skeleton width={`${width}%`} />
            <Skeleton width="80%" height={10} />
          </div>
        ))}
      </Loading>
    </div>
  );
}
