// The page for signing in. Accounts that this browser knows are one press away.

import { type FormEvent, useRef, useState } from "react";
import { useLocation } from "react-router";
import { answer } from "../api/client";
import { Button, focusFirstError, PasswordField, Problem, TextField, usePageTitle } from "../ui";
import type { Account } from "./accounts";
import { Entry } from "./entry";
import styles from "./entry.module.css";
import { type FormFaults, formFaults, NO_FAULTS, ownFaults } from "./form-faults";
import { emailFault } from "./rules";
import { useEntrance } from "./session";

const ASKED = {
  title: "You are not signed in",
  kind: "read",
  meaning: "Your account is as it was.",
} as const;

type Field = "email" | "password";

/** The page. */
export function SignInPage() {
  usePageTitle("Sign in");
  const { accounts, api, signIn, use } = useEntrance();
  const { state } = useLocation();
  const form = useRef<HTMLFormElement>(null);
  const [email, setEmail] = useState(() => emailOf(state));
  const [password, setPassword] = useState("");
  const [faults, setFaults] = useState<FormFaults<Field>>(NO_FAULTS);
  const [pending, setPending] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (pending) return;
    const wrong = ownFaults<Field>({
      email: emailFault(email),
      password: password === "" ? "Enter your password." : null,
    });
    setFaults({ fields: wrong, panel: null });
    if (Object.keys(wrong).length > 0) {
      requestAnimationFrame(() => focusFirstError(form.current));
      return;
    }
    setPending(true);
    try {
      signIn(await answer(api.POST("/auth/login", { body: { email: email.trim(), password } })));
    } catch (error) {
      setFaults(formFaults(error, ["email", "password"]));
      setPending(false);
      requestAnimationFrame(() => focusFirstError(form.current));
    }
  };

  return (
    <Entry heading="Sign in">
      {accounts.length > 0 && <KnownAccounts accounts={accounts} onUse={use} />}
      <form ref={form} className={styles.form} onSubmit={(event) => void submit(event)} noValidate>
        <TextField
          label="Email"
          type="email"
          name="email"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          value={email}
          onChange={setEmail}
          error={faults.fields.email}
        />
        <PasswordField
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          value={password}
          onChange={setPassword}
          error={faults.fields.password}
        />
        {faults.panel !== null && <Problem error={faults.panel} asked={ASKED} />}
        <div className={styles.send}>
          <Button type="submit" look="primary" wide pending={pending}>
            Sign in
          </Button>
        </div>
      </form>
    </Entry>
  );
}

function KnownAccounts({
  accounts,
  onUse,
}: {
  accounts: readonly Account[];
  onUse: (userId: number) => void;
}) {
  return (
    <section className={styles.accounts} aria-labelledby="known-accounts">
      <h2 id="known-accounts" className={styles.accountsTitle}>
        Signed in on this browser
      </h2>
      <ul className={styles.accountList}>
        {accounts.map(({ user }) => (
          <li key={user.user_id}>
            <button type="button" className={styles.account} onClick={() => onUse(user.user_id)}>
              <span className={styles.accountName}>Continue as {user.name}</span>
              <span className={styles.accountMore}>
                {user.user_type === "employer" ? "Employer" : "Worker"}, {user.email}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The email that the sign-up page gave along, where it was registered already. */
function emailOf(state: unknown): string {
  const given = typeof state === "object" && state !== null ? (state as { email?: unknown }).email : "";
  return typeof given === "string" ? given : "";
}
