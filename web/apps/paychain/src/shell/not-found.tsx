// The page of an address that leads nowhere.

import { ButtonLink, EmptyState, PageHeading, usePageTitle } from "../ui";
import styles from "./not-found.module.css";

/** Says so, and leads back. */
export function NotFoundPage() {
  usePageTitle("Page not found");
  return (
    <div className={styles.page}>
      <PageHeading hidden>Page not found</PageHeading>
      <EmptyState title="This page does not exist" action={<ButtonLink to="/jobs">Go to jobs</ButtonLink>}>
        The address is wrong, or what was here has moved.
      </EmptyState>
    </div>
  );
}
