// Where a message is written: Enter sends, Shift+Enter is a new line. What was typed stays as a draft.

import { type FormEvent, type KeyboardEvent, type Ref, useId, useState } from "react";
import { Button } from "../ui";
import styles from "./composer.module.css";
import { draftOf, keepDraft } from "./drafts";
import { roomOf, sendable } from "./model";
import type { PersonId } from "./person";
import type { Thread } from "./use-thread";

interface ComposerProps {
  me: number;
  peer: PersonId;
  /** `Worker #9`. */
  name: string;
  thread: Pick<Thread, "send" | "typing">;
  /** It was handed over. */
  onSent: () => void;
  fieldRef: Ref<HTMLTextAreaElement>;
}

/** The field and its button. */
export function Composer({ me, peer, name, thread, onSent, fieldRef }: ComposerProps) {
  const id = useId();
  const [text, setText] = useState(() => draftOf(me, peer));
  const [full, setFull] = useState(false);
  const room = roomOf(text);
  const change = (next: string) => {
    setText(next);
    setFull(false);
    keepDraft(me, peer, next);
    thread.typing.changed(next);
  };
  const send = () => {
    if (!room.fits) return;
    if (!thread.send(sendable(text))) return setFull(true);
    setText("");
    keepDraft(me, peer, "");
    thread.typing.ended();
    onSent();
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While a character is being composed Enter chooses it.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  const fault = full ? "Too many messages wait to be sent." : null;
  const tooLong = !room.fits && room.words !== null;
  return (
    <form className={styles.composer} onSubmit={onSubmit}>
      <label htmlFor={id} className="visually-hidden">
        Message to {name}
      </label>
      <textarea
        ref={fieldRef}
        id={id}
        className={styles.field}
        rows={1}
        placeholder="Write a message"
        aria-describedby={`${id}-keys ${id}-room`}
        aria-invalid={tooLong || undefined}
        value={text}
        onChange={(event) => change(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={thread.typing.ended}
      />
      <Button type="submit" look="primary" aria-disabled={!room.fits || undefined}>
        Send
      </Button>
      <p id={`${id}-room`} className={styles.room} data-bad={tooLong || full || undefined} aria-live="polite">
        {fault ?? room.words}
      </p>
      <p id={`${id}-keys`} className="visually-hidden">
        Enter sends, Shift and Enter make a new line.
      </p>
    </form>
  );
}
