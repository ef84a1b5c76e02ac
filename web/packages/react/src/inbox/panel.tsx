// What the bell opens: head, filter, list, and a line for what was just done. Beside the bell it is a dialog that holds nobody: whoever
// goes elsewhere closes it. On a phone it is the whole screen.

import { badge, type Notice, type Notification } from "@fanfare/inbox";
import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { AllReadIcon, BackIcon, CloseIcon, SlidersIcon } from "./icons.js";
import { List } from "./list.js";
import { NotificationPreferences } from "./preferences.js";
import { useInbox, useInboxStore } from "./provider.js";
import type { Act } from "./row.js";
import type { Words } from "./words.js";

/** How long the line about what was just done stands, milliseconds; not while somebody is at it. */
const NOTICE = 8_000;

/** What the panel gets. */
export interface PanelProps {
  readonly id: string;
  readonly words: Words;
  readonly align: "start" | "end";
  readonly hrefOf: (notification: Notification) => string | undefined;
  readonly onOpen: ((notification: Notification) => void) | undefined;
  readonly onPreferences: (() => void) | undefined;
  readonly close: () => void;
}

/** The panel; it takes the focus. */
export function Panel(props: PanelProps): ReactNode {
  const { id, words, align, hrefOf, onOpen, onPreferences, close } = props;
  const inbox = useInboxStore();
  const panel = useRef<HTMLDivElement>(null);
  const [isChoosing, setChoosing] = useState(false);
  const title = useId();

  // biome-ignore lint/correctness/useExhaustiveDependencies: what is shown in the panel is another; so is what is read out.
  useEffect(() => panel.current?.focus({ preventScroll: true }), [isChoosing]);
  useEffect(() => inbox.watchCategories(), [inbox]);
  // What was just done is told while the panel is there, and not when it is opened again.
  useEffect(() => () => inbox.dismissNotice(), [inbox]);

  const opened: Act = (_, notification, event) => {
    onOpen?.(notification);
    const isElsewhere = event?.ctrlKey || event?.metaKey || event?.shiftKey;
    if (hrefOf(notification) !== undefined && !isElsewhere) close();
  };
  return (
    <div
      ref={panel}
      id={id}
      className="fanfare-inbox"
      role="dialog"
      aria-labelledby={title}
      tabIndex={-1}
      data-align={align}
    >
      <div className="fanfare-inbox-head">
        {isChoosing && (
          <IconButton label={words.back} onClick={() => setChoosing(false)}>
            <BackIcon />
          </IconButton>
        )}
        <h2 id={title} className="fanfare-inbox-title">
          {isChoosing ? words.settings : words.title}
        </h2>
        {!isChoosing && (
          <>
            <MarkAllRead words={words} />
            <IconButton label={words.settings} onClick={onPreferences ?? (() => setChoosing(true))}>
              <SlidersIcon />
            </IconButton>
          </>
        )}
        <span className="fanfare-inbox-close">
          <IconButton label={words.close} onClick={close}>
            <CloseIcon />
          </IconButton>
        </span>
      </div>
      {isChoosing ? (
        <div className="fanfare-inbox-scroll fanfare-inbox-preferences">
          <NotificationPreferences words={words} />
        </div>
      ) : (
        <>
          <Filters words={words} />
          <List words={words} hrefOf={hrefOf} onOpen={opened} />
          <NoticeLine words={words} />
        </>
      )}
    </div>
  );
}

function MarkAllRead({ words }: { words: Words }): ReactNode {
  const inbox = useInboxStore();
  const nothing = useInbox(({ unreadCount }) => !unreadCount);
  return (
    <IconButton
      label={words.markAllRead}
      isOff={nothing}
      onClick={() => {
        if (!nothing) void inbox.markAllRead();
      }}
    >
      <AllReadIcon />
    </IconButton>
  );
}

function IconButton(props: {
  label: string;
  isOff?: boolean;
  onClick: () => void;
  children: ReactNode;
}): ReactNode {
  const { label, isOff, onClick, children } = props;
  return (
    <button
      type="button"
      className="fanfare-inbox-icon"
      aria-label={label}
      title={label}
      aria-disabled={isOff || undefined}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

/** All, unread, and a category each. */
function Filters({ words }: { words: Words }): ReactNode {
  const inbox = useInboxStore();
  const filter = useInbox((snapshot) => snapshot.filter);
  const categories = useInbox((snapshot) => snapshot.categories);
  const unreadCount = useInbox((snapshot) => snapshot.unreadCount);
  const { category, unread } = filter;
  const names = categories?.map(({ name }) => name) ?? [];
  // The one that is chosen stays, also when its last notification is gone.
  if (category !== null && !names.includes(category)) names.push(category);
  return (
    <fieldset aria-label={words.categories} className="fanfare-inbox-filter">
      <Chip
        isOn={category === null && !unread}
        label={words.all}
        choose={() => inbox.setFilter({ category: null, unread: false })}
      />
      <Chip
        isOn={unread}
        label={words.unreadOnly}
        count={unreadCount ?? 0}
        choose={() => inbox.setFilter({ unread: !unread })}
      />
      {/* A single category is all. */}
      {(names.length > 1 || category !== null) &&
        names.map((name) => (
          <Chip
            key={name}
            isOn={name === category}
            label={words.categoryName(name)}
            count={categories?.find((one) => one.name === name)?.unreadCount ?? 0}
            choose={() => inbox.setFilter({ category: name === category ? null : name })}
          />
        ))}
    </fieldset>
  );
}

function Chip(props: { isOn: boolean; label: string; count?: number; choose: () => void }): ReactNode {
  const { isOn, label, count = 0, choose } = props;
  return (
    <button type="button" className="fanfare-inbox-chip" aria-pressed={isOn} onClick={choose}>
      {label}
      {count > 0 && <span>{badge(count)}</span>}
    </button>
  );
}

/** What was deleted, with the way back; or what the service refused. Said to screen readers. */
function NoticeLine({ words }: { words: Words }): ReactNode {
  const notice = useInbox((snapshot) => snapshot.notice);
  return (
    <div aria-live="polite">{notice !== null && <Line key={notice.key} notice={notice} words={words} />}</div>
  );
}

function Line({ notice, words }: { notice: Notice; words: Words }): ReactNode {
  const inbox = useInboxStore();
  const [isAttended, setAttended] = useState(false);
  const line = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isAttended) return;
    const timer = setTimeout(() => inbox.dismissNotice(), NOTICE);
    return () => clearTimeout(timer);
  }, [isAttended, inbox]);
  const leave = (act: () => void) => {
    // The button goes: the focus would be nowhere.
    if (line.current?.contains(document.activeElement)) {
      line.current.closest<HTMLElement>("[role=dialog]")?.focus({ preventScroll: true });
    }
    act();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: nothing is done with it; it only stays while somebody is at it.
    <div
      ref={line}
      className="fanfare-inbox-note"
      data-kind={notice.kind}
      onPointerEnter={() => setAttended(true)}
      onPointerLeave={() => setAttended(false)}
      onFocus={() => setAttended(true)}
      onBlur={() => setAttended(false)}
    >
      {notice.kind === "removed" ? (
        <>
          <span>{words.removed}</span>
          <button
            type="button"
            className="fanfare-inbox-button"
            onClick={() => leave(() => void notice.undo())}
          >
            {words.undo}
          </button>
        </>
      ) : (
        <>
          <span>{words.failure(notice.failure)}</span>
          <IconButton label={words.dismiss} onClick={() => leave(() => inbox.dismissNotice())}>
            <CloseIcon />
          </IconButton>
        </>
      )}
    </div>
  );
}
