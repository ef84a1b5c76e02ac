// What stands in place of something that failed: a page whose code threw, or a part of the app that could not be loaded. Parts
// are tried again by themselves; what a part is stands in part.tsx.

import { Component, type ReactNode } from "react";
import { Button } from "./button";
import styles from "./failure.module.css";
import { AlertIcon, RetryIcon } from "./icons";
import { forgetFailures, PartMissing } from "./part";

/** The first pause before a part is tried again, and the longest, which doubling leads to; milliseconds. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

interface BoundaryProps {
  children: ReactNode;
  /** Another value is a new try. */
  page?: string;
  /** What stands there instead. Default: a panel that fills a page. */
  fallback?: ReactNode;
}

interface BoundaryState {
  failed: "missing" | "thrown" | null;
}

/** Catches what is thrown below it. What could not be loaded is tried again by itself, and as soon as the network is back. */
export class FailureBoundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { failed: null };
  #pause = FIRST_PAUSE;
  #timer: ReturnType<typeof setTimeout> | undefined;

  static getDerivedStateFromError(error: unknown): BoundaryState {
    return { failed: error instanceof PartMissing ? "missing" : "thrown" };
  }

  readonly again = () => {
    clearTimeout(this.#timer);
    forgetFailures();
    this.setState({ failed: null });
  };

  readonly online = () => {
    if (this.state.failed === "missing") this.again();
  };

  override componentDidMount(): void {
    window.addEventListener("online", this.online);
  }

  override componentWillUnmount(): void {
    window.removeEventListener("online", this.online);
    clearTimeout(this.#timer);
  }

  override componentDidCatch(error: unknown): void {
    if (!(error instanceof PartMissing)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.again, this.#pause);
    this.#pause = Math.min(LONGEST_PAUSE, this.#pause * 2);
  }

  override componentDidUpdate(before: BoundaryProps): void {
    if (before.page === this.props.page) return;
    this.#pause = FIRST_PAUSE;
    if (this.state.failed) this.again();
  }

  override render(): ReactNode {
    const { failed } = this.state;
    const { children, fallback } = this.props;
    if (!failed) return children;
    if (fallback !== undefined) return fallback;
    return failed === "missing" ? <Missing again={this.again} /> : <Thrown />;
  }
}

/** What says that something which is no page could not be opened yet. Covers nothing that is used. */
export function NotOpened() {
  return (
    <p role="alert" className={styles.note}>
      This could not be opened. While the server can't be reached, it is tried again by itself.
    </p>
  );
}

function Missing({ again }: { again: () => void }) {
  return (
    <div role="alert" className={styles.failure}>
      <h1 tabIndex={-1} className={styles.title}>
        <AlertIcon /> This page could not be loaded
      </h1>
      <p className={styles.text}>
        The server can't be reached, or has a newer version of this app. Jobs and money are as they were. It
        is tried again by itself; if that does not help, load the app anew.
      </p>
      <div className={styles.actions}>
        <Button icon={<RetryIcon />} onClick={again}>
          Try now
        </Button>
        <Button look="quiet" onClick={() => window.location.reload()}>
          Load the app anew
        </Button>
      </div>
    </div>
  );
}

function Thrown() {
  return (
    <div role="alert" className={styles.failure}>
      <h1 tabIndex={-1} className={styles.title}>
        <AlertIcon /> This page could not be shown
      </h1>
      <p className={styles.text}>Something in it failed. Jobs and money are as they were.</p>
      <Button icon={<RetryIcon />} onClick={() => window.location.reload()}>
        Load again
      </Button>
    </div>
  );
}
