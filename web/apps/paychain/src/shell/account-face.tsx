// What the account button shows: initials, name, role. The menu behind it is account-menu.tsx.

import type { Role } from "../session";
import { useSession } from "../session";
import { ChevronIcon, VisuallyHidden } from "../ui";
import styles from "./account-face.module.css";

/** The words for roles. */
export const ROLES: Record<Role, string> = { employer: "Employer", worker: "Worker" };

/** Who uses this window. `compact`: the initials alone. */
export function AccountFace({ compact }: { compact: boolean }) {
  const { user } = useSession();
  return (
    <span className={styles.face}>
      <span className={styles.initials} aria-hidden="true">
        {initials(user.name)}
      </span>
      <VisuallyHidden>Account: </VisuallyHidden>
      <span className={compact ? "visually-hidden" : styles.name}>{user.name}</span>
      <VisuallyHidden>, </VisuallyHidden>
      <span className={compact ? "visually-hidden" : styles.role}>{ROLES[user.user_type]}</span>
      <span className={styles.chevron}>
        <ChevronIcon />
      </span>
    </span>
  );
}

/** One or two letters, which stand for a name where there is no room for it. */
function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toUpperCase() || "?";
}
