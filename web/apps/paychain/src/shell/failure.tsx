// What stands in place of a page that failed: one whose code threw, or could not be loaded since the server has a newer one.

import { Component, type ReactNode } from "react";
import { Button, RetryIcon } from "../ui";
import { AlertIcon } from "../ui/icons";
import styles from "./failure.module.css";

/** Catches what is thrown below it. Another `page` is a new try. */
export class FailureBoundary extends Component<{ page: string; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidUpdate(before: { page: string }): void {
    if (before.page !== this.props.page && this.state.failed) this.setState({ failed: false });
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <div role="alert" className={styles.failure}>
        <h1 tabIndex={-1} className={styles.title}>
          <AlertIcon /> This page could not be shown
        </h1>
        <p className={styles.text}>
          It failed, or a newer version is on the server. Jobs and money are as they were.
        </p>
        <Button icon={<RetryIcon />} onClick={() => window.location.reload()}>
          Load again
        </Button>
      </div>
    );
  }
}
