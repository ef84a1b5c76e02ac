// The account of this window: who it is, other accounts of this browser, the theme, and the ways out.

import { Suspense, useState } from "react";
import { useEntrance, useSession } from "../session";
import {
  announce,
  BellIcon,
  Button,
  Dialog,
  EditIcon,
  FailureBoundary,
  Menu,
  MenuChoice,
  MenuItem,
  MenuLabel,
  MenuSeparator,
  NotOpened,
  PersonIcon,
  PlusIcon,
  Problem,
  part,
  SignOutIcon,
} from "../ui";
import { AccountFace, ROLES } from "./account-face";
import styles from "./account-menu.module.css";
import { RenameDialog } from "./rename-dialog";
import { chooseTheme, chosenTheme, THEMES } from "./theme";

const PreferencesDialog = part(() =>
  import("../inbox/preferences-dialog").then((dialog) => dialog.PreferencesDialog),
);

/** The menu with its button. `compact`: the button is the initials alone. */
export function AccountMenu({ compact }: { compact: boolean }) {
  const { user, signOut } = useSession();
  const { accounts, use, leave } = useEntrance();
  const [theme, setTheme] = useState(chosenTheme);
  const [asked, setAsked] = useState<"rename" | "notifications" | "everywhere" | null>(null);
  const others = accounts.map((account) => account.user).filter((other) => other.user_id !== user.user_id);
  const close = () => setAsked(null);

  return (
    <>
      <Menu
        trigger={
          <Button look="quiet" className={styles.button}>
            <AccountFace compact={compact} />
          </Button>
        }
      >
        <MenuLabel>
          <span className={styles.who}>{user.name}</span>
          <span className={styles.line}>{ROLES[user.user_type]}</span>
          <span className={styles.line}>{user.email}</span>
        </MenuLabel>
        <MenuItem icon={<EditIcon />} onSelect={() => setAsked("rename")}>
          Change name
        </MenuItem>
        <MenuItem icon={<BellIcon />} onSelect={() => setAsked("notifications")}>
          Notification settings
        </MenuItem>
        <MenuSeparator />
        {others.length > 0 && <MenuLabel>Use in this window</MenuLabel>}
        {others.map((other) => (
          <MenuItem key={other.user_id} icon={<PersonIcon />} onSelect={() => use(other.user_id)}>
            {other.name}
            <span className={styles.line}>
              {ROLES[other.user_type]}, {other.email}
            </span>
          </MenuItem>
        ))}
        <MenuItem icon={<PlusIcon />} onSelect={leave}>
          Use another account
        </MenuItem>
        <MenuSeparator />
        <MenuChoice
          label="Theme"
          value={theme}
          options={THEMES}
          onChange={(chosen) => {
            chooseTheme(chosen);
            setTheme(chosen);
          }}
        />
        <MenuSeparator />
        <MenuItem icon={<SignOutIcon />} onSelect={() => void signOut()}>
          Sign out
        </MenuItem>
        <MenuItem onSelect={() => setAsked("everywhere")}>Sign out everywhere</MenuItem>
      </Menu>
      {asked === "rename" && (
        <RenameDialog
          onClose={close}
          onRenamed={() => {
            close();
            announce("Name changed");
          }}
        />
      )}
      {asked === "notifications" && (
        <FailureBoundary fallback={<NotOpened />}>
          <Suspense>
            <PreferencesDialog onClose={close} />
          </Suspense>
        </FailureBoundary>
      )}
      {asked === "everywhere" && <EverywhereDialog onClose={close} />}
    </>
  );
}

function EverywhereDialog({ onClose }: { onClose: () => void }) {
  const { user, signOutEverywhere } = useSession();
  const [error, setError] = useState<unknown>(null);
  const [pending, setPending] = useState(false);
  // Once it was asked for, nobody can be told that they stay.
  const close = () => {
    if (!pending) onClose();
  };
  const confirm = async () => {
    setPending(true);
    setError(null);
    try {
      await signOutEverywhere();
    } catch (thrown) {
      setError(thrown);
      setPending(false);
    }
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && close()}
      title="Sign out everywhere?"
      description={`${user.name} is signed out in all windows and on all devices. Jobs and money stay as they are.`}
      footer={
        <>
          <Button look="primary" pending={pending} onClick={() => void confirm()}>
            Sign out everywhere
          </Button>
          <Button onClick={close}>Stay signed in</Button>
        </>
      }
    >
      {error !== null && (
        <Problem error={error} asked={{ title: "You are still signed in", kind: "write-once" }} />
      )}
    </Dialog>
  );
}
