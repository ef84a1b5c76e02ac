// The conversation with one person: who it is and whether they are there, the messages, the field to write in. Loaded when it
// is first opened.

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { answer } from "../api/client";
import { KEYS } from "../api/queries";
import { useSession } from "../session";
import {
  announce,
  BackIcon,
  CloseIcon,
  EmptyState,
  IconButton,
  Loading,
  Menu,
  MenuItem,
  Problem,
  Skeleton,
} from "../ui";
import { Composer } from "./composer";
import { MoreIcon } from "./icons";
import { Log } from "./log";
import styles from "./panel.module.css";
import type { PersonId } from "./person";
import { Presence } from "./presence";
import { blockOf } from "./queries";
import { useAttention, useReading, useThread, useTyping } from "./use-thread";

/** How long the way back from unblocking stands there, milliseconds. */
const UNDO = 10_000;

/** Props of {@link ConversationPanel}. */
export interface ConversationPanelProps {
  peer: PersonId;
  /** `Worker #9`. */
  name: string;
  /** The title of the job that it was opened from. */
  about?: string;
  /** It is a screen of its own, with a way back. */
  alone: boolean;
  onClose: () => void;
}

/** The panel. Give it the other's id as key. */
export function ConversationPanel({ peer, name, about, alone, onClose }: ConversationPanelProps) {
  const thread = useThread(peer);
  const typing = useTyping(peer);
  const [atEnd, setAtEnd] = useState(true);
  const [sent, setSent] = useState(0);
  const attention = useAttention();
  useReading(peer, thread.messages, attention && atEnd);
  const block = useBlock(peer, name);

  const field = useRef<HTMLTextAreaElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // On a phone the keyboard would cover what is to be read.
    if (alone) heading.current?.focus({ preventScroll: true });
    else field.current?.focus({ preventScroll: true });
  }, [alone]);

  const onKeyDown = (event: KeyboardEvent) => {
    // One that closed the menu is spent.
    if (event.key === "Escape" && !event.defaultPrevented) onClose();
  };
  const nothing = thread.messages.length === 0 && thread.unsent.length === 0;
  return (
    // Escape of whatever has the focus inside.
    <section className={styles.panel} aria-label={`Conversation with ${name}`} onKeyDown={onKeyDown}>
      <header className={styles.head}>
        {alone && <IconButton label="Back" icon={<BackIcon />} onClick={onClose} />}
        <div className={styles.who}>
          <div className={styles.line}>
            <h2 ref={heading} tabIndex={-1} className={styles.name}>
              {name}
            </h2>
            <Presence peer={peer} />
          </div>
          {about && <p className={styles.about}>{about}</p>}
        </div>
        <Menu trigger={<IconButton label="Conversation menu" icon={<MoreIcon />} />}>
          {block.isBlocked ? (
            <MenuItem onSelect={() => block.set(false)}>Unblock {name}</MenuItem>
          ) : (
            <MenuItem danger disabled={block.isBlocked === null} onSelect={() => block.set(true)}>
              Block {name}
            </MenuItem>
          )}
        </Menu>
        {!alone && <IconButton label="Close conversation" icon={<CloseIcon />} onClick={onClose} />}
      </header>
      {thread.error !== null && (
        <div className={styles.problem}>
          <Problem
            error={thread.error}
            asked={{
              title: "The messages could not be loaded",
              kind: "read",
              meaning: "What you write is kept here.",
            }}
            onRetry={thread.reload}
            retrying={thread.isRetrying}
            note={!nothing}
          />
        </div>
      )}
      {thread.isLoading ? (
        <LogSkeleton />
      ) : (
        <Log thread={thread} name={name} onEnd={setAtEnd} sent={sent}>
          {nothing && thread.error === null && (
            <EmptyState title="No messages yet">
              Ask about the work, or tell how it goes. Only {name} and you see what is written here.
            </EmptyState>
          )}
          <TypingLine name={name} typing={typing} />
        </Log>
      )}
      {block.error !== null && (
        <div className={styles.problem}>
          <Problem
            error={block.error}
            asked={{ title: block.failed, kind: "write-once" }}
            onRetry={block.again}
            note
          />
        </div>
      )}
      {block.isBlocked ? (
        <div className={styles.bar}>
          <p>You blocked {name}. They can't write to you.</p>
          <button type="button" className={styles.undo} onClick={() => block.set(false)}>
            {block.isFresh ? "Undo" : "Unblock"}
          </button>
        </div>
      ) : (
        <>
          {block.isFresh && (
            <div className={styles.bar}>
              <p>{name} can write to you again.</p>
              <button type="button" className={styles.undo} onClick={() => block.set(true)}>
                Undo
              </button>
            </div>
          )}
          <Composer
            me={thread.me}
            peer={peer}
            name={name}
            thread={thread}
            onSent={() => setSent((count) => count + 1)}
            fieldRef={field}
          />
        </>
      )}
    </section>
  );
}

function TypingLine({ name, typing }: { name: string; typing: boolean }) {
  return (
    <p className={styles.typing} role="status">
      {typing && (
        <>
          <span className={styles.dots} aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {name} is typing
        </>
      )}
    </p>
  );
}

/** Blocking somebody, and its way back. */
function useBlock(peer: PersonId, name: string) {
  const { api } = useSession();
  const queries = useQueryClient();
  const known = useQuery(blockOf(api, peer));
  /** What was just done here, which can be undone. */
  const [done, setDone] = useState<boolean | null>(null);
  const change = useMutation({
    mutationFn: async (blocked: boolean) => {
      const params = { path: { user_id: String(peer) } };
      if (blocked) await answer(api.PUT("/api/chat/blocks/{user_id}", { params }));
      else await answer(api.DELETE("/api/chat/blocks/{user_id}", { params }));
    },
    onSuccess: (_, blocked) => {
      queries.setQueryData(KEYS.blockOf(peer), blocked);
      setDone(blocked);
      announce(blocked ? `You blocked ${name}` : `${name} can write to you again`);
    },
  });
  useEffect(() => {
    if (done !== false) return;
    const timer = setTimeout(() => setDone(null), UNDO);
    return () => clearTimeout(timer);
  }, [done]);
  return {
    /** Null while it is not known. */
    isBlocked: known.data ?? null,
    isFresh: done !== null && done === known.data,
    error: change.error,
    failed: change.variables ? `${name} was not blocked` : `${name} is still blocked`,
    again: () => change.variables !== undefined && change.mutate(change.variables),
    set: (blocked: boolean) => {
      if (!change.isPending) change.mutate(blocked);
    },
  };
}

/** Widths of the bars, in percent; every other at the right. */
const BARS = [62, 44, 70, 38];

function LogSkeleton() {
  return (
    <div className={styles.empty}>
      <Loading label="Loading messages">
        <div className={styles.bones}>
          {BARS.map((width) => (
            <Skeleton key={width} width={`${width}%`} height={30} />
          ))}
        </div>
      </Loading>
    </div>
  );
}
