// A notification of the list. Rendered again only when something of it is another; which one has the keyboard's stop and what its
// actions do is the list's part.

import { formatExact, formatWhen, type Notification } from "@fanfare/inbox";
import { type MouseEvent, memo, type ReactNode, useState } from "react";
import { DeleteIcon, ReadIcon, UnreadIcon } from "./icons.js";
import { type RowAction, RowMenu } from "./menu.js";
import type { Words } from "./words.js";

/** What can be done with a notification. */
export type Act = (
  name: RowAction["name"] | "open",
  notification: Notification,
  event?: MouseEvent<HTMLElement>,
) => void;

/** What a row gets: values that stay the same while nothing of it changes. */
export interface RowProps {
  readonly notification: Notification;
  /** Where it leads; undefined: it opens in place. */
  readonly href: string | undefined;
  /** The time that "5 min ago" is told by, milliseconds. */
  readonly now: number;
  /** Whether Tab stops here. */
  readonly isStop: boolean;
  /** Whether it came in while the list was open. */
  readonly isNew: boolean;
  readonly words: Words;
  readonly act: Act;
}

/** A notification. */
export const Row = memo(function Row(props: RowProps): ReactNode {
  const { notification, href, now, isStop, isNew, words, act } = props;
  const { id, title, message, category, priority, is_read, created_at } = notification;
  const [isOpen, setOpen] = useState(false);
  const tabIndex = isStop ? 0 : -1;
  const actions: readonly RowAction[] = [
    is_read
      ? { name: "unread", label: words.markUnread, icon: <UnreadIcon /> }
      : { name: "read", label: words.markRead, icon: <ReadIcon /> },
    { name: "remove", label: words.remove, icon: <DeleteIcon /> },
  ];
  const content = (
    <>
      <span className="fanfare-inbox-dot" aria-hidden="true" />
      <span>
        <span className="fanfare-inbox-what">
          {!is_read && <span className="fanfare-inbox-hidden">{words.isUnread}: </span>}
          <bdi>{title}</bdi>
        </span>
        {message !== "" && (
          <span className="fanfare-inbox-message" dir="auto">
            {message}
          </span>
        )}
        <span className="fanfare-inbox-about">
          {(priority === "high" || priority === "urgent") && (
            <span className="fanfare-inbox-priority" data-priority={priority}>
              {words[priority]}
            </span>
          )}
          <span>{words.categoryName(category)}</span>
          <span aria-hidden="true">·</span>
          <time dateTime={created_at} title={formatExact(created_at, words.locale)}>
            {formatWhen(created_at, now, words.locale)}
          </time>
        </span>
      </span>
    </>
  );
  return (
    <li
      className="fanfare-inbox-row"
      data-id={id}
      data-unread={is_read ? undefined : ""}
      data-new={isNew ? "" : undefined}
    >
      {href === undefined ? (
        <button
          type="button"
          className="fanfare-inbox-open"
          aria-expanded={isOpen}
          tabIndex={tabIndex}
          onClick={(event) => {
            setOpen(!isOpen);
            act("open", notification, event);
          }}
        >
          {content}
        </button>
      ) : (
        <a
          className="fanfare-inbox-open"
          href={href}
          tabIndex={tabIndex}
          onClick={(event) => act("open", notification, event)}
        >
          {content}
        </a>
      )}
      <span className="fanfare-inbox-hover">
        {actions.map(({ name, label, icon }) => (
          <button
            key={name}
            type="button"
            className="fanfare-inbox-icon"
            aria-label={label}
            title={label}
            tabIndex={-1}
            onClick={() => act(name, notification)}
          >
            {icon}
          </button>
        ))}
      </span>
      <div className="fanfare-inbox-actions">
        <RowMenu
          label={words.actionsFor(title)}
          tabIndex={tabIndex}
          actions={actions}
          onAction={(name) => act(name, notification)}
        />
      </div>
    </li>
  );
});
